// A configuration, and records of its exchanges.
#pragma once

#include <string>
#include <string_view>

#include "config/model.h"
#include "proxy/exchange/record.h"

namespace outrigger::access_log::test {

using namespace std::chrono_literals;
using exchange::ExchangeRecord;
using exchange::TryKind;
using exchange::TryRecord;

// Listeners main and second; routes 0 a → u, 1 b → v, 2 fixed (answers by itself).
inline config::Config config_with(const config::AccessLog& settings) {
  const auto route = [](const std::string& name, const std::string& upstream) {
    config::Route made;
    made.name = name;
    if (!upstream.empty()) made.upstream = upstream;
    return made;
  };
  config::Config config;
  config.access_log = settings;
  config.listeners.resize(2);
  config.listeners[0].name = "main";
  config.listeners[0].routes = {route("a", "u"), route("b", "v")};
  config.listeners[1].name = "second";
  config.listeners[1].routes = {route("fixed", "")};
  config.upstreams.resize(2);
  config.upstreams[0].name = "u";
  config.upstreams[1].name = "v";
  return config;
}

// GET http://shop.example/cart?item=1 from 10.1.2.3, on route a.
inline ExchangeRecord record() {
  ExchangeRecord made{};
  made.listener = made.route = made.upstream = 0;
  made.status = 200;
  made.duration = 1234567ns;
  made.request_bytes = 5;
  made.response_bytes = 678;
  made.method = "GET";
  made.host = "shop.example";
  made.path = "/cart";
  made.target = "/cart?item=1";
  made.request_id = "0123456789abcdef";
  made.caller_address = "10.1.2.3";
  return made;
}

inline TryRecord& add_try(ExchangeRecord& record, TryKind kind, const policy::TryEnd& end,
                          Duration took) {
  TryRecord& made = record.tries[record.try_count++];
  made = {.kind = kind, .reached_endpoint = true, .ended = true, .end = end, .took = took};
  return made;
}

inline constexpr policy::TryEnd kFine{.outcome = policy::TryOutcome::Response, .status = 200};
inline constexpr policy::TryEnd k503{.outcome = policy::TryOutcome::Response, .status = 503};
inline constexpr policy::TryEnd kRefused{.outcome = policy::TryOutcome::ConnectRefused};

}  // namespace outrigger::access_log::test
