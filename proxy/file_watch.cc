#include "proxy/file_watch.h"

#include <utility>

namespace outrigger {

std::optional<FileWatch::Identity> FileWatch::look() const {
  struct stat found {};
  if (stat(path_.c_str(), &found) != 0) return std::nullopt;
  const auto ns = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
  return Identity(found.st_dev, found.st_ino, found.st_size, ns(found.st_mtim), ns(found.st_ctim));
}

bool FileWatch::has_changed() {
  const auto now = look();
  const bool settled = now == std::exchange(seen_, now);
  if (!now || !settled || now == known_) return false;
  known_ = now;
  return true;
}

void FileWatch::accept() {
  known_ = seen_ = look();
}

}  // namespace outrigger
