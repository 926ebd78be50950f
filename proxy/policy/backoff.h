// How long to wait before a retry: exponential with full jitter (Brooker, "Exponential Backoff
// And Jitter", AWS 2015), so that callers who failed together do not come back together.
#pragma once

#include "config/model.h"
#include "proxy/base/random.h"
#include "proxy/base/time.h"

namespace outrigger::policy {

// Uniform in [0, min(max, base × 2^(retry − 1))]; `retry` counts from 1.
Duration backoff_before(const config::Backoff& settings, int retry, Random& random);

}  // namespace outrigger::policy
