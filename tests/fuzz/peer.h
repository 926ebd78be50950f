// The far ends of the proxy's connections: raw Unix sockets that never block, outside its loop.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace outrigger::fuzz {

class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  ~Peer() { close(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Empty where nobody listens, or too many wait.
  static std::optional<int> connect(const std::string& path);

  bool say(std::string_view bytes);  // false once it says no more
  void half_close();
  void close();  // the other end sees a reset where something was not read
  void toggle_reading() { reading_ = !reading_; }
  void read_again() { reading_ = true; }

  // Moves what can be moved; true when anything was. What was read is added to `got`.
  bool pump(std::string& got);
  bool open() const { return fd_ >= 0; }
  bool ended() const { return ended_; }  // the other end has closed

 private:
  bool send_pending();

  int fd_;
  bool reading_ = true;
  bool ended_ = false;
  bool half_closing_ = false;
  std::string pending_;
};

// Where an upstream listens.
class Door {
 public:
  explicit Door(std::string path) : path_(std::move(path)) { open(); }
  ~Door() { close(); }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  void toggle();
  void open();
  void close();
  std::optional<int> accept();

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace outrigger::fuzz
