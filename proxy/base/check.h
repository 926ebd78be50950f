// Our own bugs: kept in release, one line to stderr, then abort. Never on what the outside can
// cause.
#pragma once

#include <cstdio>
#include <cstdlib>

#define INVARIANT(condition)                                                                   \
  do {                                                                                         \
    if (!(condition)) [[unlikely]] {                                                           \
      std::fprintf(stderr, "outrigger: invariant broken: %s at %s:%d\n", #condition, __FILE__, \
                   __LINE__);                                                                  \
      std::abort();                                                                            \
    }                                                                                          \
  } while (false)
