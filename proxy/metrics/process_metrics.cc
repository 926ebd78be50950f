#include "proxy/metrics/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

#include "proxy/metrics/families.h"

namespace outrigger::metrics {
namespace {

double open_descriptors() {
  DIR* directory = opendir("/proc/self/fd");
  if (!directory) return 0;
  double count = -3;  // ".", ".." and the directory itself
  while (readdir(directory)) ++count;
  closedir(directory);
  return count;
}

// Seconds since the epoch; from the boot time and field 22 of stat (proc(5)).
double start_time() {
  std::ifstream stat("/proc/stat");
  double boot = 0;
  for (std::string line; std::getline(stat, line);) {
    if (line.starts_with("btime ")) boot = std::stod(line.substr(6));
  }
  std::ifstream self("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(self)), {});
  const auto name_end = text.rfind(") ");
  if (name_end == std::string::npos) return 0;  // no /proc here
  std::istringstream fields(text.substr(name_end + 2));
  std::string field;
  for (int i = 3; i <= 22 && fields >> field; ++i) {
  }
  const double ticks = field.empty() ? 0 : std::stod(field);
  return boot + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

void add_process_families(std::vector<prometheus::MetricFamily>& families) {
  const auto add = [&families](Family family, double value) {
    families.push_back(family.add({}, value).take());
  };
  timespec cpu{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  add(counter("process_cpu_seconds_total", "CPU time of the process"),
      static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9);
  std::ifstream statm("/proc/self/statm");
  double virtual_pages = 0;
  double resident_pages = 0;
  statm >> virtual_pages >> resident_pages;
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  add(gauge("process_virtual_memory_bytes", "Virtual memory"), virtual_pages * page);
  add(gauge("process_resident_memory_bytes", "Resident memory"), resident_pages * page);
  add(gauge("process_open_fds", "Open file descriptors"), open_descriptors());
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const auto most = static_cast<double>(limit.rlim_cur);
  add(gauge("process_max_fds", "File descriptors that may be open"), most);
  add(gauge("open_fds_limit", "File descriptors that may be open"), most);
  static const double started = start_time();
  add(gauge("process_start_time_seconds", "When the process started"), started);
}

}  // namespace outrigger::metrics
