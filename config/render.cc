#include "config/render.h"

#include "config/describe.h"

namespace outrigger::config {
namespace {

// A block may be shown as its one value, which then may be what a key inside it was given.
bool holds_hidden(const std::string& path, const std::set<std::string>& hidden) {
  const auto inside = hidden.lower_bound(path + ".");
  return inside != hidden.end() && inside->starts_with(path + ".");
}

// The paths are those of the file, because the JSON has its shape.
void hide(Json& value, const std::string& path, const std::set<std::string>& hidden) {
  if (hidden.contains(path) || (value.is_primitive() && holds_hidden(path, hidden))) {
    value = "***";
    return;
  }
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      hide(value[i], path + "[" + std::to_string(i) + "]", hidden);
    }
  } else if (value.is_object()) {
    for (auto& [key, item] : value.items()) {
      hide(item, path.empty() ? key : path + "." + key, hidden);
    }
  }
}

}  // namespace

std::string to_json(const Config& config) {
  Json json = Block<Config>{}.render(config);
  hide(json, "", config.from_environment);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace outrigger::config
