// A route's changes of header fields, compiled: what to leave out, and what to write at the end.
//
// Removed fields go first, then come those set, then those added, each in the order written. The
// changes have the last word, also on what the proxy adds of its own (X-Forwarded-For, say);
// framing, hop-by-hop fields and Host are not theirs to touch, which the configuration sees to.
// Applying them to a head allocates nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/http/headers.h"
#include "proxy/http/out_buffer.h"

namespace outrigger::http {

// What %{…} in a value stands for.
struct HeaderVariables {
  std::string_view request_id;
  std::string_view client_ip;
  std::string_view upstream;
  std::uint32_t attempt = 0;
};

class HeaderEdits {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  // Its variables are known ones: the configuration's validation has seen to that.
  HeaderEdits(const Fields& set, const Fields& add, const std::vector<std::string>& remove);

  // A field that came is not passed on, and the proxy does not write its own of that name.
  bool drops(Field id, std::string_view name) const;
  bool drops(Field id) const { return (dropped_ids_ & bit(id)) != 0; }  // not of Other
  void write(OutBuffer& out, const HeaderVariables& variables) const;

 private:
  enum class Variable : std::uint8_t { None, RequestId, ClientIp, Upstream, Attempt };
  struct Piece {
    std::string text;  // where it is no variable
    Variable variable = Variable::None;
  };
  struct Line {
    std::string name;
    std::vector<Piece> value;
  };

  static constexpr std::uint32_t bit(Field id) { return 1u << static_cast<unsigned>(id); }
  static std::vector<Piece> parse(std::string_view value);
  void drop(const std::string& name);

  std::vector<Line> lines_;
  std::vector<std::string> dropped_names_;  // of fields without an id
  std::uint32_t dropped_ids_ = 0;
};

}  // namespace outrigger::http
