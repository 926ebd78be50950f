// Kinds made of other kinds: lists, blocks, and the visitors that go through a block's keys.
//
// describe(visitor, block), found by the block's type, names its keys. There are four visitors:
// BlockReader (file to struct), Renderer (struct to JSON), SchemaMaker and KeyNames.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/kinds.h"
#include "config/validate.h"

namespace outrigger::config {

class Definitions {
 public:
  // Keeps the place, so that a block stands before those inside it.
  void reserve(const std::string& name) { blocks_[name]; }
  void set(const std::string& name, Json schema) { blocks_[name] = std::move(schema); }
  Json take() { return std::move(blocks_); }

 private:
  Json blocks_ = Json::object();
};

// One value of any kind.

void report(Reader& in, const Yaml& node, const Misfit& fault, const std::string& expected);

template <class K, class T>
void read(Reader& in, const Yaml& node, const K& kind, T& out) {
  if constexpr (Leaf<K>) {
    typename K::Value value{};
    const auto fault = kind.parse(node, value);
    if (fault) return report(in, node, *fault, kind.expected());
    out = static_cast<T>(std::move(value));
  } else {
    kind.read(in, node, out);
  }
}

template <class K, class T>
Json render(const K& kind, const T& value) {
  if constexpr (Leaf<K>) {
    return kind.render(typename K::Value(value));
  } else {
    return kind.render(value);
  }
}

// One of several schemas, or a `${…}` that will become one.
Json any_of(Json alternatives);

template <class K>
Json alternatives(const K& kind, Definitions& definitions) {
  if constexpr (Leaf<K>) {
    return kind.alternatives();
  } else {
    return kind.alternatives(definitions);
  }
}

template <class K>
auto fresh(const K& kind) {
  if constexpr (Leaf<K>) {
    return typename K::Value{};
  } else {
    return kind.fresh();
  }
}

// Visitors.

class BlockReader {
 public:
  BlockReader(Reader& in, const Yaml& map) : in_(in), map_(map) {}

  void block(std::string_view, std::string_view) {}

  template <class T, class K>
  void key(std::string_view name, T& member, const K& kind, std::string_view,
           std::string_view = "") {
    const Yaml* node = take(name);
    if (!node) return;
    const auto step = in_.into(name);
    in_.note(*node);
    read(in_, *node, kind, member);
  }
  template <class T, class K>
  void required(std::string_view name, T& member, const K& kind, std::string_view doc) {
    if (!map_.find(name)) missing(name, kind.expected());
    key(name, member, kind, doc);
  }
  // Refused, save for a value that says what this version does anyway: a word, "off", "[]".
  void unsupported(std::string_view name, std::vector<std::string_view> inert = {});

  // Reports the keys that nobody asked for.
  void finish();

 private:
  const Yaml* take(std::string_view name);
  void missing(std::string_view name, const std::string& expected);

  Reader& in_;
  const Yaml& map_;
  std::vector<std::string_view> supported_;
  std::vector<std::string_view> known_;
};

class Renderer {
 public:
  void block(std::string_view, std::string_view) {}
  template <class T, class K>
  void key(std::string_view name, T& member, const K& kind, std::string_view,
           std::string_view = "") {
    Json value = config::render(kind, member);
    if (!value.is_null()) json_[std::string{name}] = std::move(value);
  }
  template <class T, class K>
  void required(std::string_view name, T& member, const K& kind, std::string_view doc) {
    key(name, member, kind, doc);
  }
  void unsupported(std::string_view, std::vector<std::string_view> = {}) {}
  Json take() { return std::move(json_); }

 private:
  Json json_ = Json::object();
};

// Keeps in "$comment" what a value must look like, in words: the reference is made from it.
class SchemaMaker {
 public:
  explicit SchemaMaker(Definitions& definitions) : definitions_(definitions) {}

  void block(std::string_view name, std::string_view doc);
  template <class T, class K>
  void key(std::string_view name, T& member, const K& kind, std::string_view doc,
           std::string_view by_default = "") {
    Json schema = any_of(alternatives(kind, definitions_));
    add(name, std::move(schema), kind.expected(), doc);
    set_default(name, config::render(kind, member), by_default);
  }
  template <class T, class K>
  void required(std::string_view name, T&, const K& kind, std::string_view doc) {
    add(name, any_of(alternatives(kind, definitions_)), kind.expected(), doc);
    required_.push_back(std::string{name});
  }
  void unsupported(std::string_view name, std::vector<std::string_view> inert = {});
  // A reference to the finished block, whose name is in `name`.
  Json finish();
  const std::string& name() const { return name_; }

 private:
  void add(std::string_view name, Json schema, const std::string& expected, std::string_view doc);
  void set_default(std::string_view name, const Json& value, std::string_view by_default);

  Definitions& definitions_;
  std::string name_;
  std::string doc_;
  Json properties_ = Json::object();
  std::vector<std::string> required_;
};

struct KeyNames {
  std::vector<std::string_view> names;

  void block(std::string_view, std::string_view) {}
  template <class T, class K>
  void key(std::string_view name, T&, const K&, std::string_view, std::string_view = "") {
    names.push_back(name);
  }
  void unsupported(std::string_view name, std::vector<std::string_view> = {}) {
    names.push_back(name);
  }
};

// Composite kinds.

template <class T>
struct Block {
  T (*make)() = [] { return T{}; };

  T fresh() const { return make(); }
  bool takes(const Yaml& node) const { return node.kind == Yaml::Kind::Map; }
  void read(Reader& in, const Yaml& node, T& out) const {
    if (!takes(node)) return in.expected(node, expected());
    const std::size_t faults = in.faults();
    BlockReader keys{in, node};
    describe(keys, out);
    keys.finish();
    if (in.faults() == faults && !in.partial) check_block(in, node, out);
  }
  Json render(const T& value) const {
    T copy = value;
    Renderer keys;
    describe(keys, copy);
    return keys.take();
  }
  Json alternatives(Definitions& definitions) const {
    T value = make();
    SchemaMaker keys{definitions};
    describe(keys, value);
    return Json::array({keys.finish()});
  }
  std::string expected() const { return "a map of keys"; }
};

// `off` gives an empty optional. `false` is the same: some YAML tools turn the one into the other.
template <class K>
struct Off {
  K kind = {};

  auto fresh() const { return std::optional{config::fresh(kind)}; }
  template <class T>
  void read(Reader& in, const Yaml& node, std::optional<T>& out) const {
    if (is_off(node)) {
      out.reset();
      return;
    }
    if constexpr (Leaf<K>) {
      typename K::Value value{};
      auto fault = kind.parse(node, value);
      if (fault && means_off(node)) fault->hint = kDidYouMeanOff;
      if (fault) return report(in, node, *fault, expected());
      out = static_cast<T>(std::move(value));
    } else if (means_off(node)) {
      in.expected(node, expected(), kDidYouMeanOff);
    } else if (kind.takes(node)) {
      T value = kind.fresh();
      if constexpr (requires { kind.member; }) {
        kind.read(in, node, value, expected());
      } else {
        kind.read(in, node, value);
      }
      out = std::move(value);
    } else {
      in.expected(node, expected());
    }
  }
  template <class T>
  Json render(const std::optional<T>& value) const {
    return value ? config::render(kind, *value) : Json("off");
  }
  Json alternatives(Definitions& definitions) const {
    Json all = config::alternatives(kind, definitions);
    all.push_back({{"enum", {"off", false}}});
    return all;
  }
  std::string expected() const { return kind.expected() + ", or off"; }
};

template <class T>
using Switch = Off<Block<T>>;

template <class K>
struct List {
  K kind = {};

  auto fresh() const { return std::vector<decltype(config::fresh(kind))>{}; }
  template <class Items>
  void read(Reader& in, const Yaml& node, Items& out) const {
    if (node.kind != Yaml::Kind::List) return in.expected(node, expected());
    out.clear();
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      if constexpr (!requires { out.front(); }) in.note_unordered(node.items[i]);
      const auto step = in.into(i);
      in.note(node.items[i]);
      auto item = config::fresh(kind);
      config::read(in, node.items[i], kind, item);
      if constexpr (requires { item.location; }) item.location = node.items[i].at;
      out.insert(out.end(), std::move(item));
    }
  }
  template <class Items>
  Json render(const Items& items) const {
    Json list = Json::array();
    for (const auto& item : items) list.push_back(config::render(kind, item));
    return list;
  }
  Json alternatives(Definitions& definitions) const {
    const Json items = any_of(config::alternatives(kind, definitions));
    return Json::array({{{"type", "array"}, {"items", items}}});
  }
  std::string expected() const { return "a list, each item " + kind.expected(); }
};

// A block, or just its most important value.
template <class T, Leaf K, class M>
struct Short {
  M T::*member;
  K kind;

  T fresh() const { return {}; }
  bool takes(const Yaml& node) const {
    return node.kind == Yaml::Kind::Map || node.kind == Yaml::Kind::Scalar;
  }
  void read(Reader& in, const Yaml& node, T& out) const { read(in, node, out, expected()); }
  void read(Reader& in, const Yaml& node, T& out, const std::string& all_expected) const {
    if (node.kind == Yaml::Kind::Map) return Block<T>{}.read(in, node, out);
    typename K::Value value{};
    const auto fault = kind.parse(node, value);
    if (fault) return report(in, node, *fault, all_expected);
    out.*member = static_cast<M>(std::move(value));
  }
  Json render(const T& value) const {
    T shortest{};
    shortest.*member = value.*member;
    Json block = Block<T>{}.render(value);
    return block == Block<T>{}.render(shortest) ? config::render(kind, value.*member) : block;
  }
  Json alternatives(Definitions& definitions) const {
    Json all = kind.alternatives();
    all.push_back(Block<T>{}.alternatives(definitions)[0]);
    return all;
  }
  std::string expected() const { return kind.expected() + ", or a map of keys"; }
};

}  // namespace outrigger::config
