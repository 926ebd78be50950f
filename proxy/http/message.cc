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
void ResponseHead::clear() {
  reset(*this);
}

}  // namespace outrigger::http
