#include "config/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

namespace outrigger::config {
namespace {

// A bound was passed, and the parser has to be left at once.
struct Stop {};

// Marks to places: the library counts bytes from 0, people characters from 1. Events come nearly
// in the order of the text, so that counting on from the last place keeps this linear.
class Places {
 public:
  explicit Places(std::string_view text) : text_(text) {}

  Location of(const YAML::Mark& mark) {
    if (mark.is_null()) return {1, 1};
    const auto end = std::min(static_cast<std::size_t>(mark.pos), text_.size());
    const auto start = end - std::min(static_cast<std::size_t>(mark.column), end);
    if (start != line_start_ || end < counted_to_) {
      line_start_ = counted_to_ = start;
      characters_ = 0;
    }
    for (; counted_to_ < end; ++counted_to_) {
      if ((static_cast<unsigned char>(text_[counted_to_]) & 0xc0) != 0x80) ++characters_;
    }
    return {mark.line + 1, characters_ + 1};
  }

 private:
  std::string_view text_;
  std::size_t line_start_ = 0;
  std::size_t counted_to_ = 0;
  int characters_ = 0;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, Diagnostics& diagnostics)
      : text_(text), places_(text), diagnostics_(diagnostics) {}

  Yaml take() { return std::move(root_); }
  Location place(const YAML::Mark& mark) { return places_.of(mark); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    diagnostics_.add(places_.of(mark), "", "text after the end of the document (expected one)");
    throw Stop{};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    Yaml node;
    // The mark of a null is that of the next token; what stands before it is nearer.
    node.at = has_key() ? open_.back().key_at : open_.empty() ? places_.of(mark) : top().at;
    place_scalar(std::move(node), mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    Yaml node;
    node.kind = Yaml::Kind::Scalar;
    node.at = places_.of(mark);
    node.text = value;
    // The library's own sign for "not plain"; a `!` in the text gives the same.
    node.quoted = tag == "!";
    if (is_tag(tag, mark)) refuse_tag(node);
    if (value.find('\0') != std::string::npos) refuse(node, "a NUL character is not allowed");
    place_scalar(std::move(node), mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Yaml node;
    node.at = places_.of(mark);
    refuse(node, "aliases are not supported (write the value out, or use 'defaults')");
    place_scalar(std::move(node), mark);
  }

  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    diagnostics_.add(places_.of(mark), path(), "anchors are not supported");
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    begin(Yaml::Kind::List, mark, tag);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    begin(Yaml::Kind::Map, mark, tag);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapEnd() override { end(); }

 private:
  struct Open {
    Yaml node;
    bool is_key = false;  // a list or map that stands as a key: read, then dropped
    std::optional<std::string> key;
    Location key_at;
    bool key_broken = false;
    std::map<std::string, int> lines;  // of each key so far
  };

  Yaml& top() { return open_.back().node; }
  bool has_key() const { return !open_.empty() && open_.back().key.has_value(); }
  bool expects_key() const {
    return !open_.empty() && open_.back().node.kind == Yaml::Kind::Map && !open_.back().key;
  }

  std::string path() const {
    std::string text;
    for (const Open& open : open_) {
      if (open.node.kind == Yaml::Kind::List) {
        text += "[" + std::to_string(open.node.items.size()) + "]";
      } else if (open.key) {
        text += (text.empty() ? "" : ".") + *open.key;
      }
    }
    return text;
  }

  void refuse(Yaml& node, std::string message) {
    diagnostics_.add(node.at, path(), std::move(message));
    node.kind = Yaml::Kind::Broken;
  }
  void refuse_tag(Yaml& node) { refuse(node, "tags are not supported"); }

  bool is_tag(const std::string& tag, const YAML::Mark& mark) const {
    if (tag.empty() || tag == "?") return false;
    if (tag != "!") return true;
    const auto at = static_cast<std::size_t>(mark.pos);
    return at < text_.size() && text_[at] == '!';
  }

  void count(const YAML::Mark& mark) {
    if (++nodes_ <= kMaxNodes) return;
    stop(mark, "the file holds more than " + std::to_string(kMaxNodes) + " values");
  }
  [[noreturn]] void stop(const YAML::Mark& mark, std::string message) {
    diagnostics_.add(places_.of(mark), "", std::move(message));
    throw Stop{};
  }

  void begin(Yaml::Kind kind, const YAML::Mark& mark, const std::string& tag) {
    count(mark);
    if (open_.size() >= kMaxDepth) {
      stop(mark, "nested more than " + std::to_string(kMaxDepth) + " deep");
    }
    Open open;
    open.node.at = places_.of(mark);
    open.is_key = expects_key();
    if (!tag.empty() && tag != "?")
      diagnostics_.add(open.node.at, path(), "tags are not supported");
    open.node.kind = kind;
    open_.push_back(std::move(open));
  }

  void end() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    if (!closed.is_key) return place_value(std::move(closed.node));
    diagnostics_.add(closed.node.at, path(), "a key must be plain text");
    take_key("", closed.node.at, true);
  }

  void place_scalar(Yaml node, const YAML::Mark& mark) {
    count(mark);
    if (!expects_key()) return place_value(std::move(node));
    if (node.kind == Yaml::Kind::Null) {
      node.at = places_.of(mark);
      refuse(node, "a key must be plain text");
    } else if (node.kind == Yaml::Kind::Scalar && !node.quoted && node.text == "<<") {
      refuse(node, "merge keys are not supported (use 'defaults')");
    }
    take_key(std::move(node.text), node.at, node.kind == Yaml::Kind::Broken);
  }

  void take_key(std::string key, Location at, bool broken) {
    Open& map = open_.back();
    map.key = std::move(key);
    map.key_at = at;
    map.key_broken = broken;
    if (broken) return;
    const auto [first, fresh] = map.lines.emplace(*map.key, at.line);
    if (fresh) return;
    map.key_broken = true;
    const std::string line = std::to_string(first->second);
    diagnostics_.add(at, path(), "duplicate key (first on line " + line + ")");
  }

  void place_value(Yaml node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Yaml::Kind::List) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    node.key = std::move(*parent.key);
    node.key_at = parent.key_at;
    parent.key.reset();
    if (!parent.key_broken) parent.node.items.push_back(std::move(node));
  }

  std::string_view text_;
  Places places_;
  Diagnostics& diagnostics_;
  std::vector<Open> open_;
  Yaml root_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

// Length of the UTF-8 sequence that begins at `at`, or 0 (overlong forms, surrogates, beyond
// U+10FFFF).
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) > 0x9f;
    return !overlong && !surrogate && follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && byte(1) < 0x90;
    const bool beyond = first == 0xf4 && byte(1) > 0x8f;
    return !overlong && !beyond && follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

// Control characters are refused because YAML does, and because the library takes 0x04 for the
// end of the file and would silently read half of it.
bool check_characters(std::string_view text, Diagnostics& diagnostics) {
  Location at{1, 1};
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = sequence_length(text, i);
    if (length == 0) {
      diagnostics.add(at, "", "the file is not valid UTF-8");
      return false;
    }
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
      diagnostics.add(
          at, "", c == 0 ? "a NUL character is not allowed" : "a control character is not allowed");
      return false;
    }
    at = c == '\n' ? Location{at.line + 1, 1} : Location{at.line, at.column + 1};
    i += length;
  }
  return true;
}

bool parse(std::string_view text, TreeBuilder& builder, Diagnostics& diagnostics) {
  std::istringstream in{std::string{text}};
  try {
    YAML::Parser parser{in};
    // Twice at most: for some texts the library finds documents for ever.
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
    return true;
  } catch (const Stop&) {
  } catch (const YAML::Exception& error) {
    diagnostics.add(builder.place(error.mark), "", "not valid YAML: " + error.msg);
  }
  return false;
}

}  // namespace

const Yaml* Yaml::find(std::string_view name) const {
  if (kind != Kind::Map) return nullptr;
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const Yaml& item) { return item.key == name; });
  return found == items.end() ? nullptr : &*found;
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

std::optional<Yaml> read_yaml(std::string_view text, Diagnostics& diagnostics) {
  if (text.size() > kMaxFileBytes) {
    diagnostics.add({}, "", "the file is larger than 4 MiB");
    return std::nullopt;
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!check_characters(text, diagnostics)) return std::nullopt;
  TreeBuilder builder{text, diagnostics};
  if (!parse(text, builder, diagnostics)) return std::nullopt;
  return builder.take();
}

}  // namespace outrigger::config
