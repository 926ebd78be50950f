// How much memory and how many CPUs this process may use, as its cgroup says.
//
// Each is the least limit of the process's group and those above it, of version 1 or 2; nothing
// where there is none. `root` is "" but in tests: the tree that holds proc and sys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace outrigger {

std::optional<std::uint64_t> cgroup_memory_limit(const std::string& root);  // bytes
// As the quota grants time of them: 0.5 is half of one.
std::optional<double> cgroup_cpus(const std::string& root);

// overload.max_buffered_bytes: auto.
std::uint64_t automatic_buffer_bound(std::optional<std::uint64_t> memory_limit);
// workers: auto. `usable`: CPUs that this process may run on. From 1 to kMaxWorkers.
std::uint32_t automatic_workers(std::optional<double> granted, std::uint32_t usable);
// By this process's affinity.
std::uint32_t usable_cpus();

}  // namespace outrigger
