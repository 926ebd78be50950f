#include "proxy/file_watch.h"

#include <filesystem>
#include <fstream>

#include "tests/support/catch.h"

namespace outrigger {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() : path(fs::temp_directory_path() / ("watch-" + std::to_string(getpid()))) {
    fs::create_directory(path);
  }
  ~Folder() { fs::remove_all(path); }
  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
    return path / name;
  }
  const fs::path path;
};

// As kubelet does it: a folder with the new files, and one rename of a link.
void swap_volume(const Folder& folder, const std::string& version, const std::string& text) {
  folder.write(version + "/outrigger.yaml", text);
  fs::create_symlink(version, folder.path / "..data_tmp");
  fs::rename(folder.path / "..data_tmp", folder.path / "..data");
}

TEST_CASE("what was there at the beginning is no change") {
  const Folder folder;
  FileWatch watch(folder.write("f", "one"));
  CHECK_FALSE(watch.has_changed());
  CHECK_FALSE(watch.has_changed());
}

TEST_CASE("a change is told once, when the file was found the same twice") {
  const Folder folder;
  FileWatch watch(folder.write("f", "one"));
  SECTION("written in place") {
    folder.write("f", "three");
  }
  SECTION("another renamed over it") {
    fs::rename(folder.write("f.new", "two"), folder.path / "f");
  }
  CHECK_FALSE(watch.has_changed());
  CHECK(watch.has_changed());
  CHECK_FALSE(watch.has_changed());
}

TEST_CASE("a file that is still being written is not read yet") {
  const Folder folder;
  FileWatch watch(folder.write("f", "one"));
  for (const char* text : {"l", "lo", "lon", "long"}) {
    folder.write("f", std::string("a ") + text);
    CHECK_FALSE(watch.has_changed());
  }
  CHECK(watch.has_changed());
}

TEST_CASE("a file that is gone is waited for") {
  const Folder folder;
  const auto file = folder.write("f", "one");
  FileWatch watch(file);
  fs::remove(file);
  CHECK_FALSE(watch.has_changed());
  CHECK_FALSE(watch.has_changed());
  folder.write("f", "four");
  CHECK_FALSE(watch.has_changed());
  CHECK(watch.has_changed());
}

TEST_CASE("the swap of a ConfigMap's volume is a change") {
  const Folder folder;
  swap_volume(folder, "..v1", "same size 1");
  fs::create_symlink("..data/outrigger.yaml", folder.path / "outrigger.yaml");
  FileWatch watch(folder.path / "outrigger.yaml");
  CHECK_FALSE(watch.has_changed());
  swap_volume(folder, "..v2", "same size 2");
  fs::remove_all(folder.path / "..v1");
  CHECK_FALSE(watch.has_changed());
  CHECK(watch.has_changed());
}

TEST_CASE("what is read for another reason is no change") {
  const Folder folder;
  FileWatch watch(folder.write("f", "one"));
  folder.write("f", "two and");
  watch.accept();
  CHECK_FALSE(watch.has_changed());
  CHECK_FALSE(watch.has_changed());
}

}  // namespace
}  // namespace outrigger
