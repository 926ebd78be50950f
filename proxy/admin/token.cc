#include "proxy/admin/token.h"

#include <fstream>

namespace outrigger::admin {

std::optional<std::string> read_token(const std::string& file) {
  std::ifstream stream(file);
  std::string token;
  if (stream) std::getline(stream, token);
  // An editor's "\r\n" is no part of it.
  token.erase(token.find_last_not_of(" \t\r") + 1);
  return token.empty() ? std::nullopt : std::optional(token);
}

}  // namespace outrigger::admin
