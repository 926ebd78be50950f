#include "proxy/cgroup.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <string_view>
#include <thread>

#include "config/model.h"

namespace outrigger {
namespace {

// Version 1 says "no limit" with the largest number of whole pages; nobody has an exbibyte.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;
constexpr std::uint64_t kWithoutLimit = 64 * 1024 * 1024;
constexpr std::uint64_t kShare = 4;  // a quarter
// Less would not hold the queue of one slow reader.
constexpr std::uint64_t kLeast = 1024 * 1024;

// Nothing for "max", -1 and the like.
std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  return whole && number < kNoLimit ? std::optional(number) : std::nullopt;
}

// The first words of a file; empty where it is not there.
struct Words {
  std::string first, second;
};
Words words_in(const std::string& path) {
  std::ifstream file(path);
  Words words;
  file >> words.first >> words.second;
  return words;
}

bool names(std::string_view controllers, std::string_view controller) {
  while (!controllers.empty()) {
    const auto comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == controller) return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

// `group` and all above it. In a container the path may be the host's, which is not there; then its
// own limit stands at the top.
template <class Limit>
auto least_of(const std::string& mount, std::string group, const Limit& limit_at) {
  decltype(limit_at(mount)) least;
  while (true) {
    const auto limit = limit_at(mount + group + "/");
    if (limit && (!least || *limit < *least)) least = limit;
    const auto slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) return least;
    group.resize(slash);
  }
}

// A line of /proc/self/cgroup is "ID:CONTROLLERS:PATH"; version 2 has the id 0 and no controllers.
template <class V2, class V1>
auto least_limit(const std::string& root, std::string_view controller, const V2& v2, const V1& v1) {
  const std::string mount = root + "/sys/fs/cgroup";
  std::ifstream groups(root + "/proc/self/cgroup");
  decltype(v2(mount)) least;
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    decltype(least) limit;
    if (controllers.empty()) limit = least_of(mount, group, v2);
    if (names(controllers, controller)) {
      limit = least_of(mount + "/" + std::string(controller), group, v1);
    }
    if (limit && (!least || *limit < *least)) least = limit;
  }
  return least;
}

std::optional<double> cpus(std::string_view quota, std::string_view period) {
  const auto granted = number_in(quota);
  const auto every = number_in(period);
  if (!granted || !every || *every == 0) return std::nullopt;
  return static_cast<double>(*granted) / static_cast<double>(*every);
}

}  // namespace

std::optional<std::uint64_t> cgroup_memory_limit(const std::string& root) {
  const auto limit_in = [](const char* file) {
    return [file](const std::string& group) { return number_in(words_in(group + file).first); };
  };
  return least_limit(root, "memory", limit_in("memory.max"), limit_in("memory.limit_in_bytes"));
}

std::optional<double> cgroup_cpus(const std::string& root) {
  const auto v2 = [](const std::string& group) {
    const Words words = words_in(group + "cpu.max");
    return cpus(words.first, words.second);
  };
  const auto v1 = [](const std::string& group) {
    return cpus(words_in(group + "cpu.cfs_quota_us").first,
                words_in(group + "cpu.cfs_period_us").first);
  };
  return least_limit(root, "cpu", v2, v1);
}

std::uint64_t automatic_buffer_bound(std::optional<std::uint64_t> memory_limit) {
  return memory_limit ? std::max(*memory_limit / kShare, kLeast) : kWithoutLimit;
}

std::uint32_t automatic_workers(std::optional<double> granted, std::uint32_t usable) {
  constexpr double kMost = config::kMaxWorkers;
  const double whole = std::ceil(std::min(granted.value_or(kMost), kMost));
  return std::clamp(static_cast<std::uint32_t>(whole), 1U, std::max(usable, 1U));
}

std::uint32_t usable_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return std::thread::hardware_concurrency();
  return static_cast<std::uint32_t>(CPU_COUNT(&set));
}

}  // namespace outrigger
