// Where the reading stands: the path, what was found where, and what is wrong so far.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "config/diagnostic.h"
#include "config/yaml_reader.h"

namespace outrigger::config {

class Reader {
 public:
  explicit Reader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  // One step down the path for as long as it lives.
  class Step {
   public:
    Step(std::string& path, const std::string& step) : path_(path), length_(path.size()) {
      path_ += step;
    }
    ~Step() { path_.resize(length_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    std::string& path_;
    std::size_t length_;
  };
  [[nodiscard]] Step into(std::string_view key) {
    return {path_, (path_.empty() ? "" : ".") + std::string{key}};
  }
  [[nodiscard]] Step into(std::size_t index) { return {path_, "[" + std::to_string(index) + "]"}; }

  // To be called for each value, with the path standing at it.
  void note(const Yaml& node) {
    // A block that begins on the line after its key is looked for at the key.
    const bool is_below =
        !node.items.empty() && node.key_at.line > 0 && node.at.line != node.key_at.line;
    places_.insert_or_assign(path_, is_below ? node.key_at : node.at);
    if (node.from_environment()) from_environment_.insert(path_);
  }
  // For an item of a list whose order is not kept: the whole list counts as from the environment.
  void note_unordered(const Yaml& item) {
    if (item.from_environment()) from_environment_.insert(path_);
  }
  void fail(Location at, std::string message) {
    ++faults_;
    if (faulty_.size() < kMaxFaulty) faulty_.insert(path_);
    diagnostics_.add(at, path_, std::move(message));
  }
  // `found 'x' (expected …)`; silent where the fault was reported before.
  void expected(const Yaml& node, const std::string& what, const std::string& hint = "");

  // How often fail was called.
  std::size_t faults() const { return faults_; }
  const std::string& path() const { return path_; }
  const Places& places() const { return places_; }
  // Paths with a fault of their own: their values are defaults that nobody wrote.
  const std::set<std::string>& faulty() const { return faulty_; }
  Places take_places() { return std::move(places_); }
  std::set<std::string> take_from_environment() { return std::move(from_environment_); }

  // While `defaults` are read: a route or upstream may yet complete the blocks, so that what is
  // missing and what fits together is judged where they are inherited.
  bool partial = false;

  // What routes and upstreams start from; null: nothing.
  const Yaml* route_defaults = nullptr;
  const Yaml* upstream_defaults = nullptr;
  // How many values may still be inherited, so that many routes times large defaults stay bounded.
  std::size_t inheritable = 1'000'000;

 private:
  static constexpr std::size_t kMaxFaulty = 1000;

  Diagnostics& diagnostics_;
  std::string path_;
  Places places_;
  std::set<std::string> faulty_;
  std::size_t faults_ = 0;
  std::set<std::string> from_environment_;
};

// What the user wrote, for the sentence "found …".
std::string found(const Yaml& node);

// The values that one block of defaults may hold.
inline constexpr std::size_t kMaxDefaults = 1000;

// `own` over `base`: maps key by key, everything else replaced whole; of keys that exclude one
// another, `own`'s displaces `base`'s. Each value keeps its place.
// Takes what it inherits from `inheritable`; null where that, or kMaxDefaults, is passed.
std::optional<Yaml> merge(const Yaml& base, const Yaml& own, std::size_t& inheritable);

}  // namespace outrigger::config
