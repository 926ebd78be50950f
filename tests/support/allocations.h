// How often this thread has called operator new: to assert that a path allocates nothing.
// Always 0 in builds with a sanitizer.
#pragma once

#include <cstdint>

namespace outrigger::test {

std::uint64_t allocations();

}  // namespace outrigger::test
