// Records as an exchange would hand them over, and a page to be asked line by line.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/exchange/record.h"
#include "proxy/metrics/collector.h"

namespace outrigger::metrics::test {

using exchange::ExchangeRecord;
using exchange::TryKind;
using exchange::TryRecord;

// Listeners main and second; routes 0 a → u, 1 b → v, 2 fixed (answers by itself).
inline Catalogue catalogue() {
  return {.listeners = {"main", "second"},
          .routes = {{"main", "a", "u"}, {"main", "b", "v"}, {"second", "fixed", ""}},
          .upstreams = {"u", "v"}};
}

inline ExchangeRecord record(int status, std::uint32_t route = 0, std::uint32_t upstream = 0) {
  ExchangeRecord made{};  // retry_reasons has no default of its own
  made.listener = route == 2 ? 1 : 0;
  made.route = route;
  made.upstream = upstream;
  made.status = status;
  return made;
}

inline ExchangeRecord without_route(int status, std::uint32_t listener = 0) {
  ExchangeRecord made{};  // retry_reasons has no default of its own
  made.listener = listener;
  made.status = status;
  return made;
}

inline TryRecord& add_try(ExchangeRecord& record, TryKind kind, const policy::TryEnd& end,
                          Duration took = {}) {
  TryRecord& made = record.tries[record.try_count++];
  made = {.kind = kind, .reached_endpoint = true, .ended = true};
  made.end = end;
  made.took = took;
  return made;
}

inline void count(exchange::Observer& observer, const ExchangeRecord& record) {
  observer.on_exchange_begun(record.listener, record.route);
  observer.on_exchange(record);
}

class Page {
 public:
  explicit Page(std::string text) : text_(std::move(text)) {
    for (std::size_t at = 0; at < text_.size();) {
      const auto end = std::min(text_.find('\n', at), text_.size());
      lines_.push_back(text_.substr(at, end - at));
      at = end + 1;
    }
  }
  const std::string& text() const { return text_; }
  const std::vector<std::string>& lines() const { return lines_; }

  // This very sample, name to value, without the prefix outrigger_.
  bool has(std::string_view sample) const {
    return std::ranges::count(lines_, "outrigger_" + std::string(sample)) == 1;
  }
  bool mentions(std::string_view text) const { return text_.find(text) != std::string::npos; }
  // Name and labels of those that stand there more than once.
  std::vector<std::string> duplicates() const {
    std::vector<std::string> series;
    for (const std::string& line : lines_) {
      if (!line.starts_with('#')) series.push_back(line.substr(0, line.rfind(' ')));
    }
    std::ranges::sort(series);
    std::vector<std::string> twice;
    for (std::size_t i = 1; i < series.size(); ++i) {
      if (series[i] == series[i - 1]) twice.push_back(series[i]);
    }
    return twice;
  }

 private:
  std::string text_;
  std::vector<std::string> lines_;
};

inline Page page_of(std::vector<const ExchangeMeter*> meters, exchange::LiveState live = {}) {
  const Collector collector(std::move(meters), [&live] { return live; });
  return Page(metrics_page(collector));
}

}  // namespace outrigger::metrics::test
