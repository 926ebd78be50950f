// Whether a file's content has been replaced: for `run --watch`.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <tuple>

namespace outrigger {

// Looks at what the path leads to, so that it sees a file written in place, one renamed over it,
// and the swap of a ConfigMap's volume, where only a symbolic link two steps away changes. What
// watches a file or a folder for events misses some of these, on some file systems all.
class FileWatch {
 public:
  // What is there now is known. Call it before the file is read.
  explicit FileWatch(std::string path) : path_(std::move(path)), known_(look()), seen_(known_) {}

  // To be asked at intervals: true once for each new state, and only when it was found twice, so
  // that a file is not read half-written. A file that is gone is waited for.
  bool has_changed();
  // What is there now is known: it is about to be read for another reason.
  void accept();

 private:
  // Device, inode, size, modified and changed in ns.
  using Identity = std::tuple<dev_t, ino_t, off_t, std::int64_t, std::int64_t>;
  std::optional<Identity> look() const;

  std::string path_;
  std::optional<Identity> known_, seen_;
};

}  // namespace outrigger
