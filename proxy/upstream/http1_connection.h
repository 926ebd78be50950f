// An HTTP/1.1 connection to an endpoint: one exchange at a time, kept alive between them.
//
// Reads stay armed for the connection's whole life, so that a peer that closes or speaks out of
// turn is noticed while idle and never handed to a request. The only files of upstream/ that see
// net.
#pragma once

#include <memory>
#include <string>

#include "proxy/http/body_reader.h"
#include "proxy/http/gather.h"
#include "proxy/http/head_scanner.h"
#include "proxy/net/connector.h"
#include "proxy/net/deferred.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/net/timer.h"
#include "proxy/upstream/connection.h"

namespace outrigger::upstream {

class Http1Connection final : public Connection,
                              public net::Retirable,
                              private net::ConnectorEvents,
                              private net::StreamEvents,
                              private net::TimerEvents {
 public:
  // Of a buffer between two exchanges.
  static constexpr std::size_t kKeptCapacity = 4 * 1024;
  // What drain() reads at most before it rather closes.
  static constexpr std::size_t kMaxDrained = 64 * 1024;
  static constexpr Duration kMaxDrainTime = std::chrono::seconds(1);

  // What the connections of a worker need one at a time, and so share: it stays warm, and they
  // small.
  struct Shared {
    http::Gather::Spare& gathers;
    http::ResponseHead head;  // of the one that is reading
  };

  Http1Connection(net::Loop& loop, Shared& shared, EndpointPtr endpoint, std::uint32_t slot,
                  Duration timeout);
  ~Http1Connection() override;

  void retire() override;
  void attach(ConnectionUser& user) override;
  bool connected() const override { return stream_ != nullptr; }
  void send_head(const http::RequestHead& head, const http::RequestAdditions& add,
                 bool at_once) override;
  void send_body(std::string_view bytes) override;
  void send_end(const http::Headers* trailers) override;
  bool flush() override;
  void pause() override;
  void resume() override;
  bool any_sent() const override;
  bool any_received() const override { return received_; }
  bool reusable() const override { return reusable_; }
  void park(ConnectionKeeper& keeper, TimePoint until) override;
  void drain(ConnectionKeeper& keeper) override;
  void close_gracefully() override;
  Bytes bytes() const override;

 private:
  enum class Phase : std::uint8_t { Connecting, Idle, Head, Body, Tunnel, Ended, Dead };

  void on_connected(std::unique_ptr<net::Stream> stream) override;
  void on_connect_failed(int uv_error) override;
  void on_read(std::string_view bytes) override;
  void on_eof() override;
  void on_error(int uv_error) override;
  void on_writable() override;
  void on_timer(net::Timer& timer) override;

  void cut_off();
  void consume(std::string_view in);
  bool read_head(std::string_view& in);
  bool take_head(std::string_view block);
  bool read_body(std::string_view& in);
  void give(std::string_view bytes);
  void end(bool peer_closed, bool leftover);
  void lose(bool bad_response);
  bool came_before() const;  // what is read now, before the request had left
  bool has_owner() const { return user_ != nullptr || draining_; }

  net::Loop& loop_;
  Shared& shared_;
  net::Timer timer_;  // connect, idle, drain or cut_off_, by phase
  std::unique_ptr<net::Connector> connector_;
  std::unique_ptr<net::Stream> stream_;
  ConnectionUser* user_ = nullptr;
  ConnectionKeeper* keeper_ = nullptr;

  http::Gather out_;
  http::HeadScanner scanner_;
  std::string partial_head_;
  BufferCharge partial_charge_;
  http::BodyReader body_;

  Phase phase_ = Phase::Connecting;
  http::Framing request_framing_ = http::Framing::None;
  bool to_head_ = false;
  bool keep_alive_ = false;  // says the response
  bool upgrade_ = false;
  std::uint64_t unsent_ = 0;  // of a request body with a length
  bool request_complete_ = false;
  bool cut_off_ = false;
  bool received_ = false;
  bool reusable_ = false;
  bool draining_ = false;
  bool congested_ = false;
  std::uint32_t informational_ = 0;
  std::size_t drained_ = 0;
  std::uint64_t sent_before_ = 0;  // bytes taken by the kernel before this exchange
  std::uint64_t begun_in_poll_ = 0;
  bool at_once_ = false;  // the newest request need not wait; the stream is patient where it must
};

class Http1ConnectionFactory final : public ConnectionFactory {
 public:
  // Both outlive it and its connections.
  Http1ConnectionFactory(net::Loop& loop, http::Gather::Spare& gathers)
      : loop_(loop), shared_{.gathers = gathers} {}
  ConnectionPtr connect(EndpointPtr endpoint, std::uint32_t slot, Duration timeout) override;

 private:
  net::Loop& loop_;
  Http1Connection::Shared shared_;
};

}  // namespace outrigger::upstream
