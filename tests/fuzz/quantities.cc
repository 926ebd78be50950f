// Numbers, durations, sizes, dates and addresses as users write them: refused, or within their
// bounds, and the text that is made of a value gives the value again.
#include <cmath>

#include "config/address.h"
#include "config/quantity.h"
#include "proxy/net/address.h"
#include "tests/fuzz/fuzzing.h"

namespace outrigger::fuzz {
namespace {

void numbers(std::string_view text) {
  if (const auto whole = config::parse_whole(text)) {
    INVARIANT(std::to_string(whole.value()) == text);
  }
  if (const auto decimal = config::parse_decimal(text)) {
    INVARIANT(std::isfinite(decimal.value()) && decimal.value() >= 0);
    INVARIANT(config::parse_decimal(config::decimal_text(decimal.value())).value() ==
              decimal.value());
  }
  if (const auto size = config::parse_size(text)) {
    INVARIANT(config::parse_size(config::size_text(size.value())).value() == size.value());
  }
}

void times(std::string_view text) {
  if (const auto duration = config::parse_duration(text)) {
    INVARIANT(duration.value() >= duration.value().zero());
    INVARIANT(duration.value() <= config::kMaxDuration);
    INVARIANT(config::parse_duration(config::duration_text(duration.value())).value() ==
              duration.value());
  }
  if (const auto time = config::parse_timestamp(text)) {
    INVARIANT(config::parse_timestamp(config::timestamp_text(time.value())).value() ==
              time.value());
  }
}

// What the configuration takes as an address can be listened on or connected to.
void addresses(std::string_view text) {
  const auto configured = config::parse_address(text);
  const auto address = net::Address::parse(text);
  if (configured) {
    INVARIANT(address);
    INVARIANT(address.value().port() == configured.value().port);
    INVARIANT((address.value().kind() == net::Address::Kind::Unix) == configured.value().is_unix());
    INVARIANT(address.value().is_loopback() || configured.value().is_unix() ||
              !configured.value().is_loopback());
  }
  if (!address) return;
  const auto again = net::Address::parse(address.value().to_string());
  INVARIANT(again && again.value() == address.value());
}

}  // namespace
}  // namespace outrigger::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = outrigger::fuzz::text_of(data, size);
  outrigger::fuzz::numbers(text);
  outrigger::fuzz::times(text);
  outrigger::fuzz::addresses(text);
  return 0;
}
