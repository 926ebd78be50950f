#include "proxy/lint/findings.h"

#include <algorithm>
#include <tuple>

namespace outrigger::lint {
namespace {

auto key(const Warning& warning) {
  return std::tie(warning.found.line, warning.found.column, warning.name, warning.found.message);
}

}  // namespace

void Findings::add(std::string path, std::string message, std::string advice) {
  if (advice.empty()) advice = kind_->advice;
  const auto at = config::place_of(places_, path);
  found_.push_back(
      {kind_->name, {at.line, at.column, std::move(path), message + " (" + advice + ")"}});
}

std::vector<Warning> Findings::take() {
  std::ranges::stable_sort(found_, [](const auto& a, const auto& b) { return key(a) < key(b); });
  // What several routes inherit from one place is kept under the first path.
  const auto same = [](const Warning& a, const Warning& b) { return key(a) == key(b); };
  found_.erase(std::unique(found_.begin(), found_.end(), same), found_.end());
  return std::move(found_);
}

}  // namespace outrigger::lint
