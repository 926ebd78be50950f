// What a request is hashed by (`hash_on`): of a load balancer's ring_hash and maglev, and of a
// split that keeps its callers.
//
// The same key gives the same hash in every sidecar and over restarts. A caller without the
// cookie is hashed by the value it is given in the answer, so that its next request goes the same
// way. Nothing is allocated unless a cookie is issued.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/model.h"
#include "proxy/http/message.h"

namespace outrigger::exchange {

struct HashKey {
  // Empty: the request has no such key (no header, a caller on a Unix socket); draw at random.
  std::optional<std::uint64_t> hash;
  std::string set_cookie;  // value of a Set-Cookie field for the response; empty: none
};

// `caller` is its IP address. `fresh` is a random number, the value of a cookie to be issued; the
// same one for all keys of a request, so that two that name the same cookie agree.
HashKey hash_key(const config::HashOn& on, const http::RequestHead& head, std::string_view caller,
                 std::uint64_t fresh);

}  // namespace outrigger::exchange
