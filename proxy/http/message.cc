#include "proxy/http/message.h"

#include <utility>

namespace outrigger::http {
namespace {

// As new, but with the memory that the fields have taken before.
template <class Head>
void reset(Head& head) {
  Headers fields = std::move(head.headers);
  fields.clear();
  head = {};
  head.headers = std::move(fields);
}

}  // namespace

void RequestHead::clear() {
  reset(*this);
}

void RequestHead::copy_to(RequestHead& to, std::string& block) const {
  std::size_t size = method.size() + target.size() + authority.size() + upgrade.size();
  for (const HeaderField& field : headers.all()) size += field.name.size() + field.value.size();
  block.clear();
  block.reserve(size);  // so that it stays where it is
  const auto keep = [&block](std::string_view text) {
    const std::size_t at = block.size();
    block.append(text);
    return std::string_view(block).substr(at);
  };
  Headers fields = std::move(to.headers);
  fields.clear();
  for (const HeaderField& field : headers.all()) {
    const auto name = keep(field.name);
    fields.add(name, keep(field.value), field.id);
  }
  to = {.method = keep(method),
        .target = keep(target),
        .authority = keep(authority),
        .absolute_form = absolute_form,
        .minor_version = minor_version,
        .framing = framing,
        .content_length = content_length,
        .keep_alive = keep_alive,
        .names_others = names_others,
        .expect_continue = expect_continue,
        .is_head = is_head,
        .max_forwards = max_forwards,
        .upgrade = keep(upgrade),
        .headers = std::move(fields)};
  to.path = to.target.substr(0, path.size());
}

void ResponseHead::clear() {
  reset(*this);
}

}  // namespace outrigger::http
