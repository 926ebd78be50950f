#include "proxy/access_log/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "tests/net/temporary_directory.h"
#include "tests/support/catch.h"

namespace outrigger::access_log {
namespace {

using Outcome = Output::Outcome;

std::string content_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string read_from(int fd) {
  char bytes[64 * 1024];
  const ssize_t got = read(fd, bytes, sizeof(bytes));
  return {bytes, got > 0 ? static_cast<std::size_t>(got) : 0};
}

TEST_CASE("what is there stays, and is appended to") {
  const net::TemporaryDirectory directory;
  const std::string path = directory.path() + "/log";
  std::ofstream(path) << "before\n";
  auto output = Output::open(path);
  REQUIRE(output);
  CHECK(output.value().write("a\nb\n").outcome == Outcome::Written);
  CHECK(content_of(path) == "before\na\nb\n");
}

TEST_CASE("what cannot be opened is said with its path") {
  const net::TemporaryDirectory directory;
  for (const std::string& path : {directory.path() + "/no/log", directory.path() + "/."}) {
    const auto output = Output::open(path);
    REQUIRE_FALSE(output);
    CHECK(output.error().starts_with("access_log.path " + path + ": cannot be opened: "));
  }
}

TEST_CASE("a full device says so, and takes nothing") {
  auto output = Output::open("/dev/full");
  REQUIRE(output);
  const auto progress = output.value().write("a\nb\n");
  CHECK(progress.outcome == Outcome::Failed);
  CHECK(progress.bytes == 0);
  CHECK(progress.error == ENOSPC);
}

TEST_CASE("a pipe that nobody reads is filled and never waited for; lines stay whole") {
  const net::TemporaryDirectory directory;
  const std::string path = directory.path() + "/fifo";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  auto output = Output::open(path);
  REQUIRE(output);
  std::string lines;
  for (int i = 0; i < 20'000; ++i) lines += "line " + std::to_string(i) + "\n";
  auto progress = output.value().write(lines);
  CHECK(progress.outcome == Outcome::Full);
  CHECK(progress.bytes < lines.size());
  CHECK(lines[progress.bytes - 1] == '\n');
  CHECK(output.value().write("x\n").outcome == Outcome::Full);

  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  std::string seen;
  for (std::size_t at = progress.bytes; at < lines.size();) {
    seen += read_from(reader);
    progress = output.value().write(std::string_view(lines).substr(at));
    at += progress.bytes;
  }
  while (output.value().has_rest()) {
    seen += read_from(reader);
    output.value().write_rest();
  }
  for (std::string more = read_from(reader); !more.empty(); more = read_from(reader)) seen += more;
  close(reader);
  CHECK(seen == lines);
}

}  // namespace
}  // namespace outrigger::access_log
