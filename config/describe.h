// Every key of the file, said once: name, kind, default (the struct's), one sentence.
//
// To add a key: a member in model.h with its default, a line here. Loader, /config, schema and
// reference follow; the reference and the schema file are rewritten as config/README.md says.
#pragma once

#include "config/describe_upstream.h"

namespace outrigger::config {

template <class V>
void describe(V& v, Node& n) {
  v.block("node", "Who this sidecar is, for logs and peers.");
  v.key("id", n.id, Text{kText}, "Its name, often the pod's.");
  v.key("zone", n.zone, Text{kText}, "Where it runs.");
}

template <class V>
void describe(V& v, AdminFaults& f) {
  v.block("admin.faults", "What PUT /faults/ROUTE may inject at run time.");
  v.key("max_percent", f.max_percent, kPercent, "The largest share of requests.");
  v.key("max_duration", f.max_duration, Time{.max = std::chrono::hours{24 * 30}},
        "How far ahead a fault's `until` may be.");
}

template <class V>
void describe(V& v, Admin& a) {
  v.block("admin", "The admin server.");
  v.key("address", a.address, Text{kBindAddress},
        "Where it listens; any but loopback and Unix sockets needs a token_file. A change takes a "
        "restart.");
  v.key("token_file", a.token_file, Maybe<Text>{{kFilePath}},
        "A file whose first line callers must show as a bearer token; read again at a reload.");
  v.key("hosts", a.hosts, List<Text>{{kHost}}, "Further names it may be asked by (Host header).");
  v.key("faults", a.faults, Switch<AdminFaults>{}, "Lets faults be injected at run time.");
  v.unsupported("tls", {"off"});
}

template <class V>
void describe(V& v, Metrics& m) {
  v.block("metrics", "Where the metrics are, and how many.");
  v.key("address", m.address, Off<Text>{{kBindAddress}},
        "A further address that serves only /metrics, /healthz and /readyz. A change takes a "
        "restart.");
  v.key("endpoint_labels", m.endpoint_labels, Flag{},
        "Adds metrics of each endpoint, at most 64 an upstream.");
  v.unsupported("buckets", {"default"});
}

template <class V>
void describe(V& v, Ready& r) {
  v.block("ready", "What /readyz asks for.");
  v.key("upstreams", r.upstreams, List<Text>{{kName}},
        "Upstreams that must have a usable endpoint.");
}

template <class V>
void describe(V& v, Log& l) {
  v.block("log", "The daemon's own log, to stderr.");
  v.key("level", l.level, Word<LogLevel>{}, "The least that is logged.");
  v.key("format", l.format, Word<LogFormat>{}, "For people or for machines.");
}

template <class V>
void describe(V& v, AccessLog& l) {
  v.block("access_log", "One line an exchange, written when it has ended.");
  v.key("path", l.path, Text{kFilePath},
        "The file it is appended to; SIGUSR1 opens it anew. /dev/stdout and /dev/stderr are what "
        "the process was started with; a pipe need not have a reader.");
  v.key("format", l.format, Word<LogFormat>{},
        "For machines, or for people: NAME=VALUE with the names of the other.");
  v.key("only", l.only, Word<AccessLogOnly>{},
        "Which exchanges have a line. `errors`: a status from 500, a local reply, a response that "
        "broke off, or a caller who left. `slow`: see there. `notable`: both, and what was "
        "retried or would have been, hedged, answered by a fallback, or had a fault injected.");
  v.key("slow", l.slow, Time{}, "An exchange that takes so long is slow, save upgraded ones.");
  v.key("sample_percent", l.sample_percent, kPercent,
        "Of the lines that `only` lets through, errors or not, the share that is written: drawn at "
        "random for each.");
  v.key("query", l.query, Flag{},
        "Whether paths are written with their query, which may hold what is secret.");
}

template <class V>
void describe(V& v, Shutdown& s) {
  v.block("shutdown", "How it ends after SIGTERM.");
  v.key("delay", s.delay, Time{.min = Duration{0}},
        "Not ready but still serving, where there is an inbound listener.");
  v.key("drain_timeout", s.drain_timeout, Time{.min = Duration{0}},
        "What is then in flight may take so long.");
  v.key("outbound", s.outbound, Word<OutboundDrain>{}, "When outbound listeners close.");
}

template <class V>
void describe(V& v, Overload& o) {
  v.block("overload", "Bounds of the whole process.");
  v.key("max_connections", o.max_connections, Whole{1, 1'000'000},
        "Callers' connections at once; less where the descriptor limit is low.");
  v.key("max_buffered_bytes", o.max_buffered_bytes, Auto<Size>{{64 * 1024, 1ULL << 40}},
        "Bytes kept in buffers; beyond, requests are shed by their criticality. `auto`: a quarter "
        "of the cgroup's memory limit, 64MiB without one.");
  v.key("max_loop_lag", o.max_loop_lag, Off<Time>{},
        "By how much the event loop may come late before requests are shed.");
}

template <class V>
void describe(V& v, LocalReplies& l) {
  v.block("local_replies", "Answers that the proxy gives itself.");
  v.key("format", l.format, Word<LocalReplyFormat>{}, "The form of their bodies.");
}

template <class V>
void describe(V& v, Check& c) {
  v.block("check", "What `outrigger check` warns of.");
  v.key("ignore", c.ignore, List<Text>{{kWarning}}, "Names of warnings to keep quiet about.");
}

template <class V>
void describe(V& v, Defaults& d) {
  v.block("defaults",
          "What routes and upstreams start from: maps are merged key by key, lists and "
          "single values replaced whole, `off` switches an inherited block off. They need not be "
          "whole: what is missing is asked for where they are inherited.");
  v.key("route", d.route, Block<RouteDefaults>{}, "For every route with an upstream.");
  v.key("upstream", d.upstream, Block<UpstreamDefaults>{}, "For every upstream.");
}

template <class V>
void describe(V& v, Config& c) {
  v.block("file", "The top level.");
  v.key("version", c, Version{}, "The version of this format.");
  v.key("node", c.node, Block<Node>{}, "Who this sidecar is.");
  v.key(
      "workers", c.workers, Auto<Whole>{{1, kMaxWorkers}},
      "Event loops, each with its own connections; limits, budgets and breakers count over all of "
      "them. `auto`: the CPUs that the cgroup's quota grants, rounded up, and no more than this "
      "process may run on.");
  v.key("admin", c.admin, Switch<Admin>{}, "The admin server.", "on");
  v.key("metrics", c.metrics, Block<Metrics>{}, "Where the metrics are.");
  v.key("ready", c.ready, Block<Ready>{}, "What /readyz asks for.");
  v.key("log", c.log, Block<Log>{}, "The daemon's own log.");
  v.key("access_log", c.access_log, Switch<AccessLog>{}, "A line an exchange.");
  v.key("shutdown", c.shutdown, Block<Shutdown>{}, "How it ends.");
  v.key("overload", c.overload, Block<Overload>{}, "Bounds of the whole process.");
  v.key("local_replies", c.local_replies, Block<LocalReplies>{}, "Its own answers.");
  v.key("check", c.check, Block<Check>{}, "What `outrigger check` warns of.");
  v.key("defaults", c, DefaultsBlock{}, "What routes and upstreams start from.");
  v.required("listeners", c.listeners, Listeners{}, "Where callers connect.");
  v.key("upstreams", c.upstreams, Upstreams{}, "The services behind, by name.");
  v.unsupported("tls", {"off"});
  v.unsupported("tracing", {"off"});
  v.unsupported("spool", {"off"});
}

}  // namespace outrigger::config
