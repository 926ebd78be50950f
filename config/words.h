// The words of the configuration for the values of each enum: read, shown and documented by these.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "config/model.h"

namespace outrigger::config {

template <class E, std::size_t N>
using WordTable = std::array<std::pair<std::string_view, E>, N>;

// The argument only picks the table.
constexpr auto words(LogLevel) {
  using enum LogLevel;
  return WordTable<LogLevel, 5>{
      {{"trace", Trace}, {"debug", Debug}, {"info", Info}, {"warn", Warn}, {"error", Error}}};
}
constexpr auto words(LogFormat) {
  return WordTable<LogFormat, 2>{{{"text", LogFormat::Text}, {"json", LogFormat::Json}}};
}
constexpr auto words(AccessLogOnly) {
  using enum AccessLogOnly;
  return WordTable<AccessLogOnly, 4>{
      {{"all", All}, {"errors", Errors}, {"slow", Slow}, {"notable", Notable}}};
}
constexpr auto words(OutboundDrain) {
  using enum OutboundDrain;
  return WordTable<OutboundDrain, 3>{
      {{"until_idle", UntilIdle}, {"until_timeout", UntilTimeout}, {"immediate", Immediate}}};
}
constexpr auto words(LocalReplyFormat) {
  using enum LocalReplyFormat;
  return WordTable<LocalReplyFormat, 2>{{{"text", Text}, {"json", Json}}};
}
constexpr auto words(RetryWord) {
  using enum RetryWord;
  return WordTable<RetryWord, 11>{{{"connect-failure", ConnectFailure},
                                   {"refused-stream", RefusedStream},
                                   {"reset-before-request", ResetBeforeRequest},
                                   {"stale-connection", StaleConnection},
                                   {"refused-elsewhere", RefusedElsewhere},
                                   {"reset", Reset},
                                   {"gateway-error", GatewayError},
                                   {"per-try-timeout", PerTryTimeout},
                                   {"5xx", FiveXx},
                                   {"retriable-4xx", Retriable4xx},
                                   {"rate-limited", RateLimited}}};
}
constexpr auto words(NestedRetries) {
  using enum NestedRetries;
  return WordTable<NestedRetries, 2>{{{"suppress", Suppress}, {"allow", Allow}}};
}
constexpr auto words(PolicyMode) {
  return WordTable<PolicyMode, 2>{
      {{"enforce", PolicyMode::Enforce}, {"observe", PolicyMode::Observe}}};
}
constexpr auto words(BreakerFailure) {
  using enum BreakerFailure;
  return WordTable<BreakerFailure, 4>{{{"5xx", FiveXx},
                                       {"connect-failure", ConnectFailure},
                                       {"reset", Reset},
                                       {"timeout", Timeout}}};
}
constexpr auto words(Direction) {
  return WordTable<Direction, 2>{
      {{"inbound", Direction::Inbound}, {"outbound", Direction::Outbound}}};
}
constexpr auto words(Forwarded) {
  using enum Forwarded;
  return WordTable<Forwarded, 3>{{{"append", Append}, {"pass", Pass}, {"remove", Remove}}};
}
constexpr auto words(PathDots) {
  return WordTable<PathDots, 2>{{{"allow", PathDots::Allow}, {"reject", PathDots::Reject}}};
}
constexpr auto words(LoadBalancerPolicy) {
  using enum LoadBalancerPolicy;
  return WordTable<LoadBalancerPolicy, 6>{{{"p2c_ewma", P2cEwma},
                                           {"least_request", LeastRequest},
                                           {"round_robin", RoundRobin},
                                           {"random", Random},
                                           {"ring_hash", RingHash},
                                           {"maglev", Maglev}}};
}
constexpr auto words(FallbackWord) {
  using enum FallbackWord;
  return WordTable<FallbackWord, 8>{{{"circuit-open", CircuitOpen},
                                     {"no-healthy-upstream", NoHealthyUpstream},
                                     {"timeout", Timeout},
                                     {"overflow", Overflow},
                                     {"5xx", FiveXx},
                                     {"connect-failure", ConnectFailure},
                                     {"reset", Reset},
                                     {"rate-limited", RateLimited}}};
}
constexpr auto words(Criticality) {
  using enum Criticality;
  return WordTable<Criticality, 3>{
      {{"critical", Critical}, {"normal", Normal}, {"sheddable", Sheddable}}};
}
constexpr auto words(DeadlineHeader) {
  using enum DeadlineHeader;
  return WordTable<DeadlineHeader, 2>{
      {{"x-request-timeout-ms", XRequestTimeoutMs}, {"grpc-timeout", GrpcTimeout}}};
}
constexpr auto words(InitialHealth) {
  return WordTable<InitialHealth, 2>{
      {{"healthy", InitialHealth::Healthy}, {"unhealthy", InitialHealth::Unhealthy}}};
}

template <class E>
constexpr std::string_view word_of(E value) {
  for (const auto& [word, meaning] : words(E{})) {
    if (meaning == value) return word;
  }
  return "";
}

}  // namespace outrigger::config
