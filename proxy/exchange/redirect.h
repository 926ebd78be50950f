// Where a redirect sends the caller: what the route names, the rest as in the request.
#pragma once

#include <string>

#include "config/model.h"
#include "proxy/http/message.h"

namespace outrigger::exchange {

// Writes the value of Location into `out`, whose memory is used again. Path and query are as sent,
// or the route's path with the query as sent. The port of the
// request's Host stays, save for 80 where the scheme becomes https. A request that names no host
// gets a relative reference.
void write_location(const config::Redirect& redirect, const http::RequestHead& head,
                    std::string& out);

}  // namespace outrigger::exchange
