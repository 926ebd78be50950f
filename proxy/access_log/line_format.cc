#include "proxy/access_log/line_format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <string_view>

#include "proxy/access_log/escape.h"

namespace outrigger::access_log {
namespace {

using exchange::ExchangeRecord;
using exchange::FailureKind;
using exchange::kNoIndex;
using exchange::TimeoutKind;
using exchange::TryRecord;

// Names are bounded by the configuration; the numbers and words of a try and of the rest
// generously.
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxTry = 256 + kMaxName + kMaxEscape * kMaxAddress;
static_assert(kMaxEscape * (kMaxPath + kMaxHost + kMaxRequestId + kMaxMethod + kMaxAddress) +
                  exchange::kMaxTries * kMaxTry + 4 * kMaxName + 1024 <=
              kMaxLine);

template <std::size_t N>
struct Literal {
  char text[N];
  constexpr Literal(const char (&from)[N]) {
    for (std::size_t i = 0; i < N; ++i) text[i] = from[i];
  }
};

// Of constant size, so that the compiler makes a few stores of it.
template <std::size_t N>
char* put(char* out, const char (&text)[N]) {
  std::memcpy(out, text, N - 1);
  return out + N - 1;
}

char* put(char* out, std::string_view text) {
  if (!text.empty()) std::memcpy(out, text.data(), text.size());  // else perhaps a null pointer
  return out + text.size();
}

constexpr auto kPairs = [] {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

// Two digits, of what is less than 100.
char* put_pair(char* out, std::uint64_t value) {
  std::memcpy(out, &kPairs[2 * value], 2);
  return out + 2;
}

// Most are a status, or small.
char* put_number(char* out, std::uint64_t value) {
  if (value >= 1000) return std::to_chars(out, out + 20, value).ptr;
  if (value >= 100) {
    *out++ = static_cast<char>('0' + value / 100);
    return put_pair(out, value % 100);
  }
  if (value >= 10) return put_pair(out, value);
  *out++ = static_cast<char>('0' + value);
  return out;
}
char* put_number(char* out, int value) {
  return put_number(out, static_cast<std::uint64_t>(value));
}

// To the microsecond.
char* put_seconds(char* out, Duration time) {
  const auto us = static_cast<std::uint64_t>(std::max(time, Duration{}).count()) / 1000;
  const std::uint64_t whole = us / 1'000'000;
  const auto part = static_cast<std::uint32_t>(us - whole * 1'000'000);
  out = put_number(out, whole);
  *out++ = '.';
  out = put_pair(out, part / 10'000);
  out = put_pair(out, part / 100 % 100);
  return put_pair(out, part % 100);
}

struct Json {
  static constexpr bool kIsJson = true;
  template <Literal Name>
  static char* key(char* out) {
    out = put(out, ",\"");
    out = put(out, Name.text);
    return put(out, "\":");
  }
  static char* escaped(char* out, std::string_view text) { return escape_json(out, text); }
};

struct Text {
  static constexpr bool kIsJson = false;
  template <Literal Name>
  static char* key(char* out) {
    *out++ = ' ';
    out = put(out, Name.text);
    *out++ = '=';
    return out;
  }
  static char* escaped(char* out, std::string_view text) { return escape_text(out, text); }
};

// Quoted in both: nobody knows what it holds.
template <class Style>
char* put_foreign(char* out, std::string_view text, std::size_t most, bool& truncated) {
  truncated = truncated || text.size() > most;
  *out++ = '"';
  out = Style::escaped(out, cut(text, most));
  *out++ = '"';
  return out;
}

// A word of ours.
template <class Style>
char* put_word(char* out, std::string_view word) {
  if constexpr (Style::kIsJson) *out++ = '"';
  out = put(out, word);
  if constexpr (Style::kIsJson) *out++ = '"';
  return out;
}

template <class Style, Literal Name>
char* put_word_field(char* out, std::string_view word) {
  if (word.empty()) return out;
  return put_word<Style>(Style::template key<Name>(out), word);
}

// As Proxy-Status and local_replies_total have it.
std::string_view reason_of(const ExchangeRecord& record) {
  if (record.failure == FailureKind::CallerGone) return "caller-gone";
  if (!record.fallback_reason.empty()) return record.fallback_reason;
  if (record.failure != FailureKind::None) return exchange::answer_for(record.failure).reason;
  if (record.aborted == exchange::AbortSide::None && record.status != 499) return {};
  return record.timeout == TimeoutKind::Write ? "write-timeout" : "read-timeout";
}

std::string_view label(exchange::AbortSide side) {
  return side == exchange::AbortSide::Upstream     ? "upstream"
         : side == exchange::AbortSide::Downstream ? "downstream"
                                                   : "";
}

std::string_view label(exchange::BreakerScope scope) {
  return scope == exchange::BreakerScope::Route      ? "route"
         : scope == exchange::BreakerScope::Upstream ? "upstream"
                                                     : "";
}

std::string_view fault_of(const ExchangeRecord& record) {
  if (record.fault_abort == exchange::FaultAbort::Status) return "abort";
  if (record.fault_abort == exchange::FaultAbort::Reset) return "reset";
  return record.fault_delayed ? "delay" : "";
}

// What only an exchange with something to tell has.
bool has_more(const ExchangeRecord& record) {
  return record.limit != exchange::LimitKind::None || record.retry_denied != policy::Denial::None ||
         record.fell_back || record.upgraded || record.timeout != TimeoutKind::None ||
         record.per_try_timeouts > 0 || record.aborted != exchange::AbortSide::None ||
         record.breaker != exchange::BreakerScope::None || record.fault_delayed ||
         record.fault_abort != exchange::FaultAbort::None;
}

template <class Style>
char* put_more(char* out, const ExchangeRecord& record, const std::vector<std::string>& upstreams) {
  out = put_word_field<Style, "aborted">(out, label(record.aborted));
  const bool per_try = record.timeout == TimeoutKind::None && record.per_try_timeouts > 0;
  out =
      put_word_field<Style, "timeout">(out, label(per_try ? TimeoutKind::PerTry : record.timeout));
  out = put_word_field<Style, "limit">(out, label(record.limit));
  out = put_word_field<Style, "circuit_breaker">(out, label(record.breaker));
  out = put_word_field<Style, "retry_denied">(out, policy::label(record.retry_denied));
  if (record.fell_back) {
    const bool responded = record.fallback == kNoIndex;
    out = put_word_field<Style, "fallback">(
        out, responded ? std::string_view("respond") : upstreams[record.fallback]);
  }
  out = put_word_field<Style, "fault">(out, fault_of(record));
  if (record.upgraded) out = put(Style::template key<"upgraded">(out), "true");
  return out;
}

char* put_try(Json, char* out, const ExchangeRecord& record, const TryRecord& one,
              std::string_view fallback) {
  out = put(out, "{\"try\":\"");
  out = put(out, label(one.kind));
  out = put(out, "\",\"endpoint\":\"");
  out = escape_json(out, cut(record.address_of(one), kMaxAddress));
  out = put(out, "\",\"outcome\":\"");
  out = put(out, label(attempt_outcome(one)));
  *out++ = '"';
  if (!fallback.empty()) out = put_word_field<Json, "upstream">(out, fallback);
  if (one.ended && one.end.status != 0) out = put_number(Json::key<"status">(out), one.end.status);
  if (one.waited > Duration{}) out = put_seconds(Json::key<"waited_seconds">(out), one.waited);
  if (one.ended) out = put_seconds(Json::key<"duration_seconds">(out), one.took);
  *out++ = '}';
  return out;
}

char* put_try(Text, char* out, const ExchangeRecord& record, const TryRecord& one,
              std::string_view fallback) {
  out = put(out, label(one.kind));
  *out++ = ' ';
  out = escape_text(out, cut(record.address_of(one), kMaxAddress));
  *out++ = ' ';
  out = put(out, label(attempt_outcome(one)));
  if (one.ended && one.end.status != 0) {
    *out++ = ' ';
    out = put_number(out, one.end.status);
  }
  if (one.waited > Duration{}) {
    out = put_seconds(put(out, " waited "), one.waited);
    *out++ = 's';
  }
  if (one.ended) {
    *out++ = ' ';
    out = put_seconds(out, one.took);
    *out++ = 's';
  }
  if (!fallback.empty()) out = put(put(out, " at "), fallback);
  return out;
}

template <class Style>
char* put_tries(char* out, const ExchangeRecord& record,
                const std::vector<std::string>& upstreams) {
  if (!Style::kIsJson && record.try_count == 0) return out;
  out = Style::template key<"tries">(out);
  *out++ = Style::kIsJson ? '[' : '"';
  bool first = true;
  for (std::size_t i = 0; i < record.try_count; ++i) {
    const TryRecord& one = record.tries[i];
    if (!one.reached_endpoint) continue;
    if (!first) *out++ = Style::kIsJson ? ',' : ';';
    if (!first && !Style::kIsJson) *out++ = ' ';
    first = false;
    const std::string_view fallback =
        one.upstream == kNoIndex ? std::string_view() : upstreams[one.upstream];
    out = put_try(Style{}, out, record, one, fallback);
  }
  *out++ = Style::kIsJson ? ']' : '"';
  return out;
}

std::string place_of(bool json, const std::string& listener, const std::string& route) {
  if (json) return R"(,"listener":")" + listener + R"(","route":")" + route + '"';
  return " listener=" + listener + " route=" + route;
}

}  // namespace

char* Timestamp::write(char* out, std::int64_t unix_ms) {
  using namespace std::chrono;
  const std::int64_t second = (unix_ms >= 0 ? unix_ms : unix_ms - 999) / 1000;
  if (second != second_) {
    second_ = second;
    const sys_seconds at{std::chrono::seconds(second)};
    const sys_days day = floor<days>(at);
    const year_month_day date{day};
    const auto year = static_cast<std::uint64_t>(static_cast<int>(date.year()));
    const auto time = static_cast<std::uint64_t>((at - day).count());
    std::memcpy(text_, "0000-00-00T00:00:00.000Z", kSize);
    put_pair(put_pair(text_, year / 100 % 100), year % 100);
    put_pair(text_ + 5, static_cast<unsigned>(date.month()));
    put_pair(text_ + 8, static_cast<unsigned>(date.day()));
    put_pair(text_ + 11, time / 3600);
    put_pair(text_ + 14, time / 60 % 60);
    put_pair(text_ + 17, time % 60);
  }
  std::memcpy(out, text_, kSize);
  const auto ms = static_cast<std::uint64_t>(unix_ms - second * 1000);
  out[20] = static_cast<char>('0' + ms / 100);
  put_pair(out + 21, ms % 100);
  return out + kSize;
}

LineFormat::LineFormat(const config::AccessLog& settings, const config::Config& config)
    : json_(settings.format == config::LogFormat::Json), query_(settings.query) {
  for (const auto& listener : config.listeners) {
    no_route_.push_back(place_of(json_, listener.name, ""));
    for (const auto& route : listener.routes) {
      routes_.push_back(place_of(json_, listener.name, route.name));
    }
  }
  for (const auto& upstream : config.upstreams) upstreams_.push_back(upstream.name);
}

char* LineFormat::write(char* out, const ExchangeRecord& record, std::int64_t unix_ms) {
  return json_ ? write_as<Json>(out, record, unix_ms) : write_as<Text>(out, record, unix_ms);
}

template <class Style>
char* LineFormat::write_as(char* out, const ExchangeRecord& record, std::int64_t unix_ms) {
  bool truncated = false;
  const auto foreign = [&truncated](char* at, std::string_view text, std::size_t most) {
    return put_foreign<Style>(at, text, most, truncated);
  };
  out = Style::kIsJson ? put(out, "{\"time\":\"") : put(out, "time=");
  out = timestamp_.write(out, unix_ms);
  if constexpr (Style::kIsJson) *out++ = '"';
  out = foreign(Style::template key<"request_id">(out), record.request_id, kMaxRequestId);
  out = put_word_field<Style, "trace_id">(out, record.trace_id);
  out = put(out, record.route == kNoIndex ? no_route_[record.listener] : routes_[record.route]);
  const bool asks = record.upstream != kNoIndex;
  out = put_word<Style>(Style::template key<"upstream">(out),
                        asks ? std::string_view(upstreams_[record.upstream]) : "");
  out = foreign(Style::template key<"method">(out), record.method, kMaxMethod);
  out = foreign(Style::template key<"host">(out), record.host, kMaxHost);
  out = foreign(Style::template key<"path">(out), query_ ? record.target : record.path, kMaxPath);
  out = put_number(Style::template key<"status">(out), record.status);
  out = put_word_field<Style, "reason">(out, reason_of(record));
  if (has_more(record)) out = put_more<Style>(out, record, upstreams_);
  out = put_number(Style::template key<"bytes_in">(out), record.request_bytes);
  out = put_number(Style::template key<"bytes_out">(out), record.response_bytes);
  out = put_seconds(Style::template key<"duration_seconds">(out), record.duration);
  // Made by us, of an address.
  out = put(Style::template key<"caller">(out), "\"");
  out = put(out, record.caller_address);
  *out++ = '"';
  out = put_tries<Style>(out, record, upstreams_);
  if (truncated) out = put(Style::template key<"truncated">(out), "true");
  if constexpr (Style::kIsJson) *out++ = '}';
  *out++ = '\n';
  return out;
}

}  // namespace outrigger::access_log
