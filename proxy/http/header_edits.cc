#include "proxy/http/header_edits.h"

#include <algorithm>

#include "proxy/base/check.h"

namespace outrigger::http {

HeaderEdits::HeaderEdits(const Fields& set, const Fields& add,
                         const std::vector<std::string>& remove) {
  for (const std::string& name : remove) drop(name);
  for (const auto& [name, value] : set) drop(name);
  for (const Fields* fields : {&set, &add}) {
    for (const auto& [name, value] : *fields) lines_.push_back({name, parse(value)});
  }
}

void HeaderEdits::drop(const std::string& name) {
  const Field id = field_id(name);
  if (id == Field::Other) {
    dropped_names_.push_back(name);
  } else {
    dropped_ids_ |= bit(id);
  }
}

std::vector<HeaderEdits::Piece> HeaderEdits::parse(std::string_view value) {
  static constexpr std::pair<std::string_view, Variable> kVariables[] = {
      {"request_id", Variable::RequestId},
      {"client_ip", Variable::ClientIp},
      {"upstream", Variable::Upstream},
      {"attempt", Variable::Attempt}};
  std::vector<Piece> pieces;
  while (!value.empty()) {
    const auto begin = value.find("%{");
    if (begin != 0) pieces.push_back({.text = std::string(value.substr(0, begin))});
    if (begin == std::string_view::npos) break;
    value.remove_prefix(begin + 2);
    const auto end = value.find('}');
    const auto known = std::ranges::find(kVariables, value.substr(0, end),
                                         &std::pair<std::string_view, Variable>::first);
    INVARIANT(end != std::string_view::npos && known != std::end(kVariables));
    pieces.push_back({.variable = known->second});
    value.remove_prefix(end + 1);
  }
  return pieces;
}

bool HeaderEdits::drops(Field id, std::string_view name) const {
  if (id != Field::Other) return drops(id);
  return std::ranges::any_of(dropped_names_, [name](const std::string& dropped) {
    return equals_ignore_case(name, dropped);
  });
}

void HeaderEdits::write(OutBuffer& out, const HeaderVariables& variables) const {
  for (const Line& line : lines_) {
    out.append(line.name);
    out.append(": ");
    for (const Piece& piece : line.value) {
      switch (piece.variable) {
        case Variable::None:
          out.append(piece.text);
          break;
        case Variable::RequestId:
          out.append(variables.request_id);
          break;
        case Variable::ClientIp:
          out.append(variables.client_ip);
          break;
        case Variable::Upstream:
          out.append(variables.upstream);
          break;
        case Variable::Attempt:
          out.append_all(std::uint64_t{variables.attempt});
          break;
      }
    }
    out.append("\r\n");
  }
}

}  // namespace outrigger::http
