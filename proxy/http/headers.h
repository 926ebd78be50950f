// Header fields of one message, in order and with repetitions, as views into the head they were
// parsed from.
//
// A field the proxy itself acts on is recognised once, when parsed, and carries its id, so that
// no later step compares names. The views live as long as the buffer they point to.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace outrigger::http {

enum class Field : std::uint8_t {
  Other,
  Authorization,
  Connection,
  ContentLength,
  ContentType,
  Date,
  Expect,
  GrpcTimeout,
  Host,
  KeepAlive,
  MaxForwards,
  Proxy,
  ProxyAuthenticate,
  ProxyAuthorization,
  ProxyConnection,
  RetryAfter,
  Te,
  Traceparent,
  Trailer,
  TransferEncoding,
  Upgrade,
  Via,
  XForwardedFor,
  XForwardedHost,
  XForwardedProto,
  XOutriggerAttempt,
  XOutriggerRetry,
  XRequestId,
  XRequestTimeoutMs,
  kCount,
};

// By name, without case; Other where it is none of ours.
Field field_id(std::string_view name);

bool equal_but_for_case(std::string_view a, std::string_view b);  // of the same length
inline bool equals_ignore_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a == b || equal_but_for_case(a, b));
}

struct HeaderField {
  std::string_view name;   // as received
  std::string_view value;  // without surrounding white space
  Field id = Field::Other;
};

class Headers {
 public:
  void clear() {
    fields_.clear();
    present_ = repeated_ = 0;
  }
  void add(std::string_view name, std::string_view value) { add(name, value, field_id(name)); }
  void add(std::string_view name, std::string_view value, Field id) {
    fields_.push_back({name, value, id});
    repeated_ |= present_ & bit(id);
    present_ |= bit(id);
  }

  bool has(Field id) const { return (present_ & bit(id)) != 0; }
  bool repeats(Field id) const { return (repeated_ & bit(id)) != 0; }
  // The first field of that id or name; null where there is none. Valid until the next add or
  // clear.
  const HeaderField* find(Field id) const;
  const HeaderField* find(std::string_view name) const;
  std::string_view value_of(Field id) const {
    const auto* field = find(id);
    return field ? field->value : std::string_view{};
  }

  std::span<const HeaderField> all() const { return fields_; }
  std::size_t size() const { return fields_.size(); }

 private:
  static constexpr std::uint32_t bit(Field id) { return 1u << static_cast<unsigned>(id); }

  std::vector<HeaderField> fields_;  // keeps its capacity over clear(): nothing allocated when warm
  std::uint32_t present_ = 0;        // a bit for each id
  std::uint32_t repeated_ = 0;       // those that came more than once
};
static_assert(static_cast<unsigned>(Field::kCount) <= 32);

}  // namespace outrigger::http
