#include "proxy/http/headers.h"

#include <array>
#include <cstring>

namespace outrigger::http {
namespace {

struct Known {
  std::string_view name;  // lower case
  Field id;
};

constexpr std::array kKnown = {
    Known{"te", Field::Te},
    Known{"via", Field::Via},
    Known{"date", Field::Date},
    Known{"host", Field::Host},
    Known{"proxy", Field::Proxy},
    Known{"expect", Field::Expect},
    Known{"trailer", Field::Trailer},
    Known{"upgrade", Field::Upgrade},
    Known{"connection", Field::Connection},
    Known{"keep-alive", Field::KeepAlive},
    Known{"retry-after", Field::RetryAfter},
    Known{"traceparent", Field::Traceparent},
    Known{"content-type", Field::ContentType},
    Known{"grpc-timeout", Field::GrpcTimeout},
    Known{"max-forwards", Field::MaxForwards},
    Known{"x-request-id", Field::XRequestId},
    Known{"authorization", Field::Authorization},
    Known{"content-length", Field::ContentLength},
    Known{"x-forwarded-for", Field::XForwardedFor},
    Known{"x-forwarded-host", Field::XForwardedHost},
    Known{"proxy-connection", Field::ProxyConnection},
    Known{"transfer-encoding", Field::TransferEncoding},
    Known{"x-forwarded-proto", Field::XForwardedProto},
    Known{"x-outrigger-retry", Field::XOutriggerRetry},
    Known{"proxy-authenticate", Field::ProxyAuthenticate},
    Known{"x-outrigger-attempt", Field::XOutriggerAttempt},
    Known{"proxy-authorization", Field::ProxyAuthorization},
    Known{"x-request-timeout-ms", Field::XRequestTimeoutMs},
};

constexpr std::size_t kLongest = 20;

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// Of the names of each length, their first letters: a bit for each, by its last five bits.
constexpr auto kInitials = [] {
  std::array<std::uint32_t, kLongest + 1> initials{};
  for (const Known& known : kKnown) initials[known.name.size()] |= 1u << (known.name[0] & 31);
  return initials;
}();

// First of the names of each length; names of one length stand together.
constexpr auto kFirstOfLength = [] {
  std::array<std::uint8_t, kLongest + 2> first{};
  for (std::size_t length = 0; length < first.size(); ++length) {
    std::uint8_t i = 0;
    while (i < kKnown.size() && kKnown[i].name.size() < length) ++i;
    first[length] = i;
  }
  return first;
}();

// Letters have the bit 0x40, and 0x20 makes them lower case. What else has it becomes no letter
// and no dash, so that this tells known names from all others exactly.
char fold(char c) {
  return static_cast<char>(c | (c & 0x40) >> 1);
}
std::uint64_t eight(const char* at) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, at, 8);
  return bytes;
}
std::uint64_t fold_eight(const char* at) {
  const std::uint64_t bytes = eight(at);
  return bytes | (bytes & 0x4040404040404040) >> 1;
}

// `name` against a known name of the same length, which is in lower case and so stays as it is when
// folded; eight bytes a step, the last of which may overlap.
bool matches(std::string_view name, std::string_view known) {
  const std::size_t size = name.size();
  if (size < 8) {
    for (std::size_t i = 0; i < size; ++i) {
      if (fold(name[i]) != known[i]) return false;
    }
    return true;
  }
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    if (fold_eight(name.data() + i) != eight(known.data() + i)) return false;
  }
  return fold_eight(name.data() + size - 8) == eight(known.data() + size - 8);
}

}  // namespace

Field field_id(std::string_view name) {
  if (name.empty() || name.size() > kLongest) return Field::Other;
  if ((kInitials[name.size()] >> (name[0] & 31) & 1) == 0) return Field::Other;  // most others
  const std::size_t end = kFirstOfLength[name.size() + 1];
  for (std::size_t i = kFirstOfLength[name.size()]; i < end; ++i) {
    const std::string_view known = kKnown[i].name;
    if (fold(name[0]) == known[0] && matches(name, known)) return kKnown[i].id;
  }
  return Field::Other;
}

bool equal_but_for_case(std::string_view a, std::string_view b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

const HeaderField* Headers::find(Field id) const {
  if (!has(id)) return nullptr;
  for (const HeaderField& field : fields_) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

const HeaderField* Headers::find(std::string_view name) const {
  for (const HeaderField& field : fields_) {
    if (equals_ignore_case(field.name, name)) return &field;
  }
  return nullptr;
}

}  // namespace outrigger::http
