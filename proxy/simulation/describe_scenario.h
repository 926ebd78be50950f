// Every key of a scenario file, said once; read by the same machinery as the configuration.
#pragma once

#include "config/special_kinds.h"
#include "proxy/simulation/scenario.h"

namespace outrigger::simulation {

using config::Block;
using config::Decimal;
using config::Flag;
using config::HeaderMap;
using config::kPercent;
using config::List;
using config::Maybe;
using config::Reader;
using config::Short;
using config::Text;
using config::Time;
using config::Whole;
using config::Word;
using config::Yaml;

constexpr auto words(Arrivals) {
  return config::WordTable<Arrivals, 2>{
      {{"poisson", Arrivals::Poisson}, {"constant", Arrivals::Constant}}};
}
constexpr auto words(Abandoned) {
  return config::WordTable<Abandoned, 2>{
      {{"finish", Abandoned::Finish}, {"drop", Abandoned::Drop}}};
}

// A kind that may be left out, for blocks and lists.
template <class K>
struct Given {
  K kind;

  template <class T>
  void read(Reader& in, const Yaml& node, std::optional<T>& out) const {
    T value{};
    config::read(in, node, kind, value);
    out = std::move(value);
  }
  std::string expected() const { return kind.expected(); }
};

// `{503: 20, 429: 5}`
struct StatusShares {
  void read(Reader& in, const Yaml& node, std::vector<StatusShare>& out) const;
  std::string expected() const { return "a map of statuses to percents, as {503: 20}"; }
};

// `{GET: 90, POST: 10}`
struct MethodWeights {
  void read(Reader& in, const Yaml& node, Weights& out) const;
  std::string expected() const { return "a map of methods to weights, as {GET: 90, POST: 10}"; }
};

inline constexpr Decimal kRate{0, 1e6};
inline constexpr Time kLatency{Duration{}, std::chrono::hours{1}};

void check_block(Reader& in, const Yaml& node, const Latency& latency);

template <class V>
void describe(V& v, Latency& l) {
  v.block("latency", "One of four distributions; a duration alone is a fixed one.");
  v.key("fixed", l.fixed, Maybe<Time>{kLatency}, "Always the same.");
  v.key("min", l.min, Maybe<Time>{kLatency}, "Uniform, from here");
  v.key("max", l.max, Maybe<Time>{kLatency}, "to here.");
  v.key("mean", l.mean, Maybe<Time>{kLatency}, "Exponential.");
  v.key("p50", l.p50, Maybe<Time>{kLatency}, "Lognormal, by its median");
  v.key("p99", l.p99, Maybe<Time>{kLatency}, "and its 99th percentile.");
}

template <class V>
void describe(V& v, Capacity& c) {
  v.block("capacity", "What an endpoint can work on at once.");
  v.required("requests", c.requests, Whole{1, 1'000'000}, "So many; the others wait in it.");
  v.key("queue", c.queue, Whole{0, 1'000'000}, "So many wait; more are answered 503 at once.");
  v.key("abandoned", c.abandoned, Word<Abandoned>{},
        "What becomes of work whose caller has gone: finish (most servers) or drop.");
}

template <class V>
void describe(V& v, Callers& c) {
  v.block("callers", "Who asks.");
  v.key("route", c.route, Maybe<Text>{{config::kName}}, "The route they ask for.");
  v.required("rate", c.rate, kRate, "Requests a second.");
  v.key("arrivals", c.arrivals, Word<Arrivals>{}, "poisson or constant.");
  v.key("methods", c.methods, MethodWeights{}, "Methods and their weights.");
  v.key("host", c.host, Maybe<Text>{{config::kHost}}, "The host asked for.");
  v.key("path", c.path, Maybe<Text>{{config::kPath}}, "The path asked for.");
  v.key("headers", c.headers, HeaderMap{}, "Further headers.");
}

template <class V>
void describe(V& v, EndpointChange& e) {
  v.block("endpoints", "How endpoints behave.");
  v.key("hop", e.hop, Maybe<Whole>{{0, kMaxHops}}, "Those of this hop; absent: of all.");
  v.key("upstream", e.upstream, Maybe<Text>{{config::kName}}, "Those of this upstream.");
  v.key("address", e.address, Maybe<Text>{{config::kEndpointAddress}}, "The one with this.");
  v.key("latency", e.latency,
        Given<Short<Latency, Time, std::optional<Duration>>>{{&Latency::fixed, kLatency}},
        "How long a request takes, without queueing.");
  v.key("statuses", e.statuses, Given<StatusShares>{}, "Shares answered so; the others 200.");
  v.key("refuse_percent", e.refuse_percent, Maybe<Decimal>{kPercent}, "Connects refused.");
  v.key("unreachable_percent", e.unreachable_percent, Maybe<Decimal>{kPercent},
        "Connects that never end.");
  v.key("reset_percent", e.reset_percent, Maybe<Decimal>{kPercent},
        "Requests whose connection is closed before the head.");
  v.key("hang_percent", e.hang_percent, Maybe<Decimal>{kPercent}, "Requests never answered.");
  v.key("break_percent", e.break_percent, Maybe<Decimal>{kPercent},
        "Responses that break off in the body.");
  v.key("elsewhere_percent", e.elsewhere_percent, Maybe<Decimal>{kPercent},
        "Answered 503 with x-outrigger-retry: elsewhere.");
  v.key("capacity", e.capacity, Given<Block<Capacity>>{}, "What it can work on at once.");
}

template <class V>
void describe(V& v, RateChange& r) {
  v.block("phase.callers", "Another rate.");
  v.key("route", r.route, Maybe<Text>{{config::kName}}, "Of these callers; absent: of all.");
  v.required("rate", r.rate, kRate, "Requests a second.");
}

template <class V>
void describe(V& v, Phase& p) {
  v.block("phase", "A stretch of time.");
  v.required("name", p.name, Text{config::kName}, "What to call it.");
  v.required("duration", p.duration, Time{}, "How long it lasts.");
  v.key("endpoints", p.endpoints, List<Block<EndpointChange>>{},
        "What is different, only in this phase.");
  v.key("callers", p.callers, List<Block<RateChange>>{}, "Likewise, rates.");
}

template <class V>
void describe(V& v, Hop& h) {
  v.block("hop", "A link of a chain of outriggers.");
  v.required("upstream", h.upstream, Text{config::kName},
             "Whose endpoints ask on, each through an outrigger of its own.");
  v.required("config", h.config, Text{config::kFilePath}, "The configuration of these.");
  v.key("route", h.route, Maybe<Text>{{config::kName}}, "The route they ask for.");
  v.key("pass_headers", h.pass_headers, Flag{},
        "The service in between passes x-outrigger-attempt and the deadline on.");
}

template <class V>
void describe(V& v, Scenario& s) {
  v.block("scenario", "The top level.");
  v.key("seed", s.seed, Whole{0, UINT32_MAX}, "Of all chance.");
  v.required("callers", s.callers, List<Block<Callers>>{}, "Who asks.");
  v.key("endpoints", s.endpoints, List<Block<EndpointChange>>{}, "How endpoints behave.");
  v.required("phases", s.phases, List<Block<Phase>>{}, "What happens, in this order.");
  v.key("hops", s.hops, List<Block<Hop>>{}, "A chain of outriggers.");
}

}  // namespace outrigger::simulation
