#include "proxy/memory_limit.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string_view>

namespace outrigger {
namespace {

// Version 1 says "no limit" with the largest number of whole pages; nobody has an exbibyte.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;
constexpr std::uint64_t kWithoutLimit = 64 * 1024 * 1024;
constexpr std::uint64_t kShare = 4;  // a quarter
// Less would not hold the queue of one slow reader.
constexpr std::uint64_t kLeast = 1024 * 1024;

// Nothing for "max", for what is no number and for a file that is not there.
std::optional<std::uint64_t> limit_in(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!(file >> text)) return std::nullopt;
  std::uint64_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  const bool number = error == std::errc{} && end == text.data() + text.size();
  return number && limit < kNoLimit ? std::optional(limit) : std::nullopt;
}

// Of `group` and all above it. In a container the path may be the host's, which is not there; then
// its own limit stands at the top.
std::optional<std::uint64_t> least_limit(const std::string& mount, std::string group,
                                         const std::string& file) {
  std::optional<std::uint64_t> least;
  while (true) {
    const auto limit = limit_in(mount + group + "/" + file);
    if (limit) least = std::min(limit.value(), least.value_or(UINT64_MAX));
    const auto slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) return least;
    group.resize(slash);
  }
}

bool names_memory(std::string_view controllers) {
  while (!controllers.empty()) {
    const auto comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == "memory") return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

}  // namespace

// A line is "ID:CONTROLLERS:PATH"; version 2 has the id 0 and no controllers.
std::optional<std::uint64_t> cgroup_memory_limit(const std::string& root) {
  const std::string mount = root + "/sys/fs/cgroup";
  std::ifstream groups(root + "/proc/self/cgroup");
  std::optional<std::uint64_t> least;
  const auto take = [&least](const std::optional<std::uint64_t>& limit) {
    if (limit) least = std::min(limit.value(), least.value_or(UINT64_MAX));
  };
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    if (controllers.empty()) {
      take(least_limit(mount, group, "memory.max"));
    } else if (names_memory(controllers)) {
      take(least_limit(mount + "/memory", group, "memory.limit_in_bytes"));
    }
  }
  return least;
}

std::uint64_t automatic_buffer_bound(std::optional<std::uint64_t> memory_limit) {
  return memory_limit ? std::max(*memory_limit / kShare, kLeast) : kWithoutLimit;
}

}  // namespace outrigger
