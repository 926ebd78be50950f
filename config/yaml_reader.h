// One YAML document as a tree with places; the only file that knows the YAML library.
//
// A tree of our own, because the library's drops what we must refuse: duplicate keys, further
// documents, quotes around numbers. It is also bounded here, and knows no aliases, so that no
// text can blow up in what reads the tree.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/model.h"

namespace outrigger::config {

inline constexpr std::size_t kMaxFileBytes = 4 << 20;
inline constexpr std::size_t kMaxNodes = 200'000;
inline constexpr std::size_t kMaxDepth = 64;

struct Yaml {
  // Broken: already reported (an alias, a tag); readers pass over it in silence.
  enum class Kind { Null, Scalar, List, Map, Broken };

  Kind kind = Kind::Null;
  Location at;
  std::string text;     // of a scalar
  bool quoted = false;  // a quoted scalar is text, never a number or a keyword
  std::string written;  // as in the file, where `text` came from ${…}; else empty
  std::string key;      // of an item of a map
  Location key_at;
  std::vector<Yaml> items;

  bool from_environment() const { return !written.empty(); }
  // The unquoted word.
  bool is(std::string_view word) const { return kind == Kind::Scalar && !quoted && text == word; }
  // The word, unquoted or not: where no text could be meant by it.
  bool says(std::string_view word) const { return kind == Kind::Scalar && text == word; }
  const Yaml* find(std::string_view name) const;
};

// Empty: not readable to its end. What is merely refused is reported, and the tree holds the rest.
std::optional<Yaml> read_yaml(std::string_view text, Diagnostics& diagnostics);

bool is_valid_utf8(std::string_view text);

}  // namespace outrigger::config
