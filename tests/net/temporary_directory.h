// A directory for the sockets of one test, removed with what is in it.
#pragma once

#include <filesystem>
#include <string>

#include "proxy/base/check.h"

namespace outrigger::net {

class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_(std::filesystem::temp_directory_path() / "outrigger-XXXXXX") {
    INVARIANT(mkdtemp(path_.data()) != nullptr);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  // "unix:" becomes a socket in here; any other address stays.
  std::string place(const std::string& address) const {
    return address == "unix:" ? address + path_ + "/s" : address;
  }

 private:
  std::string path_;
};

}  // namespace outrigger::net
