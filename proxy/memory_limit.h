// How much memory this process may use, as its cgroup says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace outrigger {

// The least limit of the process's cgroup and those above it, of version 1 or 2. Nothing where
// there is none. `root` is "" but in tests: the tree that holds proc and sys.
std::optional<std::uint64_t> cgroup_memory_limit(const std::string& root);

// overload.max_buffered_bytes: auto.
std::uint64_t automatic_buffer_bound(std::optional<std::uint64_t> memory_limit);

}  // namespace outrigger
