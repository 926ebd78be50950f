// What `check` warns of: settings that are right each by itself and defeat one another.
//
// The names and what they mean in general are config/warnings.h; each rule stands with its kind
// (timeouts.cc, retries.cc, …) and speaks with the numbers of the file. A rule keeps silent where
// the setting may be meant: a warning has to be worth reading at three in the morning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/model.h"

namespace outrigger::lint {

// What the file does not say and a rule asks for.
struct Surroundings {
  std::optional<std::uint64_t> max_descriptors;  // the hard limit; empty: none
};

struct Warning {
  std::string_view name;
  config::Diagnostic found;
};

// By line; without those that `check.ignore` names, and what many routes inherit from one place
// once.
std::vector<Warning> warnings(const config::Config& config, const config::Places& places,
                              const Surroundings& surroundings);

inline constexpr std::size_t kMaxLines = 1000;

// `FILE:LINE:COL: warning[NAME]: PATH: MESSAGE`, without line ends; of more than kMaxLines the
// first, and a last one that says how many more there are.
std::vector<std::string> lines(const std::string& file, const std::vector<Warning>& warnings);

// Of this process.
Surroundings surroundings();

}  // namespace outrigger::lint
