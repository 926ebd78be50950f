// Replaces the prefix by which a route has matched a path (Gateway API, ReplacePrefixMatch).
//
// Whole segments are replaced, and a trailing slash of either prefix is ignored: `/a` by `/b`
// makes `/a/c` to `/b/c`, `/a/` to `/b/` and `/a` to `/b`; by `/` it makes `/a/c` to `/c`. What
// follows the prefix stays as sent, escapes and query included. A route without a path in its
// match has the prefix `/`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "config/model.h"
#include "proxy/http/message.h"
#include "proxy/http/writer.h"

namespace outrigger::exchange {

class PathRewrite {
 public:
  PathRewrite(const config::Match& match, const std::string& replacement);

  // Lives as long as this object and `head`. Empty where there is no path to rewrite (`*`).
  http::NewTarget apply(const http::RequestHead& head) const;

 private:
  std::size_t segments_ = 0;  // that the prefix has: escapes in them may be of any length
  std::string replacement_;
};

}  // namespace outrigger::exchange
