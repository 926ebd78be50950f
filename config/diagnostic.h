// What is wrong with a configuration, and where.
//
// All errors of a file come in one report, so nothing here stops at the first; kMaxDiagnostics
// bounds what a hostile or hopeless file can make us keep. The rest is counted.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

namespace outrigger::config {

struct Diagnostic {
  int line = 0;  // from 1; 0: about the file as a whole
  int column = 0;
  std::string path;  // "listeners[0].routes[2].retry"; empty: the document
  std::string message;
};

// Every path that the file gives a value, inherited ones included, and where its text stands.
using Places = std::map<std::string, Location, std::less<>>;
// The place of the path, or of the nearest thing around it that was written.
Location place_of(const Places& places, std::string path);

// `FILE:LINE:COL: PATH: MESSAGE`, without a line end.
std::string to_text(const std::string& file, const Diagnostic& diagnostic);
// One a line, each with a line end.
std::string to_text(const std::string& file, const std::vector<Diagnostic>& diagnostics);

// Collects; sorted by line, the first kMaxDiagnostics kept, and a last one that says how many more
// there are. The same message at the same place (a block that many routes inherit) is kept and
// counted once, under the first path that reported it.
class Diagnostics {
 public:
  static constexpr std::size_t kMaxDiagnostics = 1000;

  void add(Location at, std::string path, std::string message);
  bool empty() const { return kept_.empty(); }
  std::vector<Diagnostic> take();

 private:
  void drop_last();

  std::vector<Diagnostic> kept_;
  std::set<std::size_t> dropped_;  // hashes, as many as the bounded file has places
};

// The user's own words inside a message: in quotes, cut where long, control characters escaped.
std::string in_quotes(std::string_view text);
// "a, b or c"
std::string one_of(std::span<const std::string_view> words);
// "did you mean 'x'?", or empty where nothing known is near.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace outrigger::config
