#include "proxy/cgroup.h"

#include <filesystem>
#include <fstream>

#include "config/model.h"
#include "tests/net/temporary_directory.h"
#include "tests/support/catch.h"

namespace outrigger {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

// A made-up tree with files of one line each.
struct Tree {
  net::TemporaryDirectory directory;
  std::string root() const { return directory.path(); }
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
};

}  // namespace

TEST_CASE("version 2: the least limit of the group and those above it") {
  Tree tree;
  tree.write("/proc/self/cgroup", "0::/pods/pod-1/main");
  CHECK_FALSE(cgroup_memory_limit(tree.root()));
  tree.write("/sys/fs/cgroup/pods/pod-1/main/memory.max", "max");
  CHECK_FALSE(cgroup_memory_limit(tree.root()));
  tree.write("/sys/fs/cgroup/pods/pod-1/memory.max", "268435456");
  CHECK(cgroup_memory_limit(tree.root()) == 256 * kMiB);
  tree.write("/sys/fs/cgroup/pods/pod-1/main/memory.max", "536870912");
  CHECK(cgroup_memory_limit(tree.root()) == 256 * kMiB);
  tree.write("/sys/fs/cgroup/pods/pod-1/main/memory.max", "134217728");
  CHECK(cgroup_memory_limit(tree.root()) == 128 * kMiB);
}

TEST_CASE("version 2 in a container: its own group is the top") {
  Tree tree;
  tree.write("/proc/self/cgroup", "0::/");
  tree.write("/sys/fs/cgroup/memory.max", "134217728");
  CHECK(cgroup_memory_limit(tree.root()) == 128 * kMiB);
}

TEST_CASE("version 1: the memory controller's limit, and its word for none") {
  Tree tree;
  tree.write(
      "/proc/self/cgroup",
      "11:cpu,cpuacct:/docker/abc\n10:hugetlb,memory:/docker/abc\n1:name=systemd:/docker/abc");
  tree.write("/sys/fs/cgroup/cpu,cpuacct/memory.limit_in_bytes", "1");
  CHECK_FALSE(cgroup_memory_limit(tree.root()));
  tree.write("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712");
  CHECK_FALSE(cgroup_memory_limit(tree.root()));
  tree.write("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "104857600");
  CHECK(cgroup_memory_limit(tree.root()) == 100 * kMiB);
}

TEST_CASE("version 1 in a container: the path is the host's, the limit stands at the top") {
  Tree tree;
  tree.write("/proc/self/cgroup", "9:memory:/kubepods/pod7/xyz");
  tree.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600");
  CHECK(cgroup_memory_limit(tree.root()) == 100 * kMiB);
}

TEST_CASE("without cgroups, or with files that say nothing, there is no limit") {
  Tree tree;
  CHECK_FALSE(cgroup_memory_limit(tree.root()));
  tree.write("/proc/self/cgroup", "nonsense\n0:\n0::/a");
  tree.write("/sys/fs/cgroup/a/memory.max", "apples");
  tree.write("/sys/fs/cgroup/memory.max", "-1");
  CHECK_FALSE(cgroup_memory_limit(tree.root()));
}

TEST_CASE("auto is a quarter of the limit, 64 MiB without one, 1 MiB at least") {
  CHECK(automatic_buffer_bound(256 * kMiB) == 64 * kMiB);
  CHECK(automatic_buffer_bound(std::nullopt) == 64 * kMiB);
  CHECK(automatic_buffer_bound(1000) == kMiB);
}

TEST_CASE("version 2: CPUs are the least quota over its period") {
  Tree tree;
  tree.write("/proc/self/cgroup", "0::/pods/pod-1/main");
  CHECK_FALSE(cgroup_cpus(tree.root()));
  tree.write("/sys/fs/cgroup/pods/pod-1/main/cpu.max", "max 100000");
  CHECK_FALSE(cgroup_cpus(tree.root()));
  tree.write("/sys/fs/cgroup/pods/pod-1/main/cpu.max", "250000 100000");
  CHECK(cgroup_cpus(tree.root()) == 2.5);
  tree.write("/sys/fs/cgroup/pods/cpu.max", "25000 50000");
  CHECK(cgroup_cpus(tree.root()) == 0.5);
  tree.write("/sys/fs/cgroup/pods/cpu.max", "25000 0");
  CHECK(cgroup_cpus(tree.root()) == 2.5);
}

TEST_CASE("version 1: CPUs are of the cpu controller, and -1 is no quota") {
  Tree tree;
  tree.write("/proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n10:memory:/docker/abc");
  tree.write("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000");
  tree.write("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "-1");
  CHECK_FALSE(cgroup_cpus(tree.root()));
  tree.write("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "150000");
  CHECK(cgroup_cpus(tree.root()) == 1.5);
}

TEST_CASE("automatic workers: the quota rounded up, and no more than there are CPUs to run on") {
  CHECK(automatic_workers(0.1, 8) == 1);
  CHECK(automatic_workers(1.0, 8) == 1);
  CHECK(automatic_workers(1.5, 8) == 2);
  CHECK(automatic_workers(16.0, 8) == 8);
  CHECK(automatic_workers(std::nullopt, 8) == 8);
  CHECK(automatic_workers(std::nullopt, 0) == 1);
  CHECK(automatic_workers(1e9, 4096) == config::kMaxWorkers);
}

}  // namespace outrigger
