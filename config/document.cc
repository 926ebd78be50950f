#include "config/document.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace outrigger::config {

Result<std::string, int> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen(path.c_str(), "rb"),
                                                             std::fclose};
  if (!file) return errno;
  std::string text(kMaxFileBytes + 1, '\0');
  const std::size_t size = std::fread(text.data(), 1, text.size(), file.get());
  if (std::ferror(file.get())) return errno;
  text.resize(size);
  return text;
}

std::optional<Yaml> parse_document(std::string_view text, const Environment& environment,
                                   Diagnostics& diagnostics) {
  auto root = read_yaml(text, diagnostics);
  if (!root) return std::nullopt;
  substitute(*root, environment, diagnostics);
  if (root->kind == Yaml::Kind::Null) {
    root->kind = Yaml::Kind::Map;
    root->at = {1, 1};
  }
  return root;
}

}  // namespace outrigger::config
