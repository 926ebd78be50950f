// How long to wait before a retry: full jitter, so that callers who failed together do not come
// back together.
#pragma once

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"

namespace outrigger::policy {

// Before retry n, from 1: uniformly random in [0, min(max, base·2^(n−1))].
Duration backoff_before(const config::Backoff& settings, int retry, Random& random);

}  // namespace outrigger::policy
