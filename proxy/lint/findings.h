// What the rules have found. The driver says whose turn it is; a rule only adds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/warnings.h"
#include "proxy/lint/lint.h"

namespace outrigger::lint {

class Findings {
 public:
  explicit Findings(const config::Places& places) : places_(places) {}

  // From now on, what is added is this.
  void begin(const config::WarningKind& kind) { kind_ = &kind; }

  // `message` has the numbers; an `advice` of its own replaces that of the kind.
  void add(std::string path, std::string message, std::string advice = "");

  // By line.
  std::vector<Warning> take();

 private:
  const config::Places& places_;
  const config::WarningKind* kind_ = nullptr;
  std::vector<Warning> found_;
};

}  // namespace outrigger::lint
