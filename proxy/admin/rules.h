// Who may ask the admin interface for what (CONFIG.md, Admin interface), as a pure judgement.
//
// Host is looked at against DNS rebinding, Origin and the header X-Outrigger-Admin against pages
// of other sites that a browser on this machine shows.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/message.h"

namespace outrigger::admin {

struct Verdict {
  int status = 200;  // 200: allowed
  std::string_view text;
};

class Rules {
 public:
  // `hosts` beside IP literals, localhost and this machine's own name. Without a token anyone who
  // reaches the address may read.
  Rules(std::optional<std::string> token, std::vector<std::string> hosts);
  // Only /metrics, /healthz and /readyz, for anyone: metrics.address.
  static Rules metrics_only();

  Verdict judge(const http::RequestHead& head) const;

 private:
  Verdict judge_change(const http::RequestHead& head) const;
  bool knows_host(std::string_view authority) const;
  bool has_token(const http::RequestHead& head) const;

  std::optional<std::string> token_;
  std::vector<std::string> hosts_;
  bool metrics_only_ = false;
};

}  // namespace outrigger::admin
