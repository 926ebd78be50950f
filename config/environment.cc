#include "config/environment.h"

#include <unistd.h>

#include <optional>

namespace outrigger::config {
namespace {

bool is_name(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  };
  if (text.empty() || !letter(text[0])) return false;
  for (const char c : text) {
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

// What stands between `${` and `}`.
struct Reference {
  std::string_view name;
  std::optional<std::string_view> otherwise;
};

Reference parse_reference(std::string_view inside) {
  const auto colon = inside.find(":-");
  if (colon == std::string_view::npos) return {inside, std::nullopt};
  return {inside.substr(0, colon), inside.substr(colon + 2)};
}

class Substitution {
 public:
  Substitution(const Environment& environment, Diagnostics& diagnostics)
      : environment_(environment), diagnostics_(diagnostics) {}

  void walk(Yaml& node) {
    if (node.kind == Yaml::Kind::Scalar) return replace(node);
    const bool is_list = node.kind == Yaml::Kind::List;
    const std::size_t length = path_.size();
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      Yaml& item = node.items[i];
      path_ += is_list ? "[" + std::to_string(i) + "]" : (length > 0 ? "." : "") + item.key;
      walk(item);
      path_.resize(length);
    }
  }

 private:
  void replace(Yaml& node) {
    if (node.text.find("${") == std::string::npos) return;
    std::string out;
    std::string_view rest = node.text;
    bool replaced = false;
    while (!rest.empty()) {
      const auto dollar = rest.find("${");
      out += rest.substr(0, dollar);
      if (dollar == std::string_view::npos) break;
      if (dollar > 0 && rest[dollar - 1] == '$') {
        out += '{';  // the `$` before is out already
        rest.remove_prefix(dollar + 2);
        continue;
      }
      const auto end = rest.find('}', dollar);
      if (end == std::string_view::npos) return fail(node, "'${' without a '}'");
      const auto value = look_up(node, rest.substr(dollar + 2, end - dollar - 2));
      if (!value || !fits(node, value->size())) return;
      out += *value;
      replaced = true;
      rest.remove_prefix(end + 1);
    }
    if (replaced) {
      node.written = std::move(node.text);
      node.quoted = false;
    }
    node.text = std::move(out);
  }

  std::optional<std::string_view> look_up(Yaml& node, std::string_view inside) {
    const Reference reference = parse_reference(inside);
    if (!is_name(reference.name)) {
      fail(node, in_quotes("${" + std::string{inside} + "}") +
                     " is not a variable (expected ${NAME} or ${NAME:-default}; $${ is a literal)");
      return std::nullopt;
    }
    if (reference.otherwise && reference.otherwise->find("${") != std::string_view::npos) {
      fail(node, "the default of " + in_quotes(reference.name) +
                     " cannot hold another ${…}: the first } ends it");
      return std::nullopt;
    }
    const auto found = environment_.find(reference.name);
    const bool given = found != environment_.end();
    if (reference.otherwise && (!given || found->second.empty())) return reference.otherwise;
    if (!given) {
      fail(node, "the environment variable " + in_quotes(reference.name) +
                     " is not set (a default would be ${" + std::string{reference.name} + ":-…})");
      return std::nullopt;
    }
    if (!is_valid_utf8(found->second)) {
      fail(node, "the environment variable " + in_quotes(reference.name) + " is not valid UTF-8");
      return std::nullopt;
    }
    return found->second;
  }

  // A short file must not become a huge one.
  bool fits(Yaml& node, std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ <= kMaxFileBytes) return true;
    fail(node, "the values from the environment are larger than 4 MiB in all");
    return false;
  }

  void fail(Yaml& node, std::string message) {
    diagnostics_.add(node.at, path_, std::move(message));
    node.kind = Yaml::Kind::Broken;
  }

  const Environment& environment_;
  Diagnostics& diagnostics_;
  std::string path_;
  std::size_t bytes_ = 0;
};

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

void substitute(Yaml& root, const Environment& environment, Diagnostics& diagnostics) {
  Substitution{environment, diagnostics}.walk(root);
}

}  // namespace outrigger::config
