// What the kernel says of this process, under the names that all Prometheus clients use.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace outrigger::metrics {

void add_process_families(std::vector<prometheus::MetricFamily>& families);

}  // namespace outrigger::metrics
