#include "proxy/memory_limit.h"

#include <filesystem>
#include <fstream>

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

}  // namespace outrigger
