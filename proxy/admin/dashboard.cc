// The live page: one file, no outside resources. It draws what /upstreams, /events and
// /metrics say.
#include "proxy/admin/pages.h"

namespace outrigger::admin {

std::string_view dashboard_html() {
  static constexpr std::string_view kPage = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>outrigger</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {
  color-scheme: light dark;
  --line: #8884; --good: #2a8f4a; --bad: #c9382c; --warn: #b87a00;
}
body {
  font: 15px/1.45 system-ui, sans-serif;
  margin: 1.5rem auto; max-width: 60rem; padding: 0 1rem;
}
h1 { font-size: 1.3rem; }
h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; }
.tile {
  border: 1px solid var(--line); border-radius: .5rem;
  padding: .5rem .9rem; min-width: 8rem;
}
.tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.tile span { opacity: .75; }
.healthy, .closed, .returned { color: var(--good); }
.ejected, .open, .unhealthy, .refused, .bad { color: var(--bad); }
.probation, .half-open { color: var(--warn); }
#note { opacity: .7; }
</style></head><body>
<h1>outrigger</h1><p id="note" role="status">reading …</p>
<div class="tiles" id="tiles"></div><div id="upstreams"></div>
<div id="events"></div>
<p><a href="upstreams">/upstreams</a> · <a href="routes">/routes</a> ·
<a href="events">/events</a> ·
<a href="config">/config</a> · <a href="metrics">/metrics</a></p>
<script>
"use strict";
let before = null;
const at = id => document.getElementById(id);
function el(tag, text, cls) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
}
function table(titles, rows) {
  const made = el("table"), head = el("tr");
  for (const title of titles) head.append(el("th", title));
  made.append(head);
  for (const cells of rows) {
    const row = el("tr");
    row.append(...cells);
    made.append(row);
  }
  return made;
}
function tile(name, value, cls) {
  const t = el("div", undefined, "tile");
  t.append(el("b", value, cls), el("span", name));
  return t;
}
function parse(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const m = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!m) continue;
    const labels = {};
    for (const l of (m[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[l[1]] = l[2];
    samples.push({ name: m[1], labels, value: Number(m[3]) });
  }
  const all = (name, where = () => true) =>
    samples.filter(s => s.name === "outrigger_" + name && where(s.labels));
  const sum = (...which) => all(...which).reduce((a, s) => a + s.value, 0);
  return { all, sum };
}
function tiles(sum, now) {
  const seen = {
    at: now,
    requests: sum("requests_total"),
    failed: sum("requests_total", l => l.code >= "500"),
    tries: sum("upstream_attempts_total"),
    first: sum("upstream_attempts_total", l => l.try === "first"),
    retries: sum("retries_total"),
  };
  const last = before || seen;
  before = seen;
  const rate = key => last === seen ? "–"
    : Math.max(0, (seen[key] - last[key]) / ((now - last.at) / 1000)).toFixed(1);
  return [
    tile("requests / s", rate("requests")),
    tile("answered 5xx / s", rate("failed"), seen.failed > last.failed ? "bad" : ""),
    tile("retries / s", rate("retries")),
    tile("ejections", sum("outlier_ejections_total")),
    tile("tries / first tries", seen.first ? (seen.tries / seen.first).toFixed(2) : "–"),
    tile("in flight", sum("requests_in_flight")),
  ];
}
function endpointRow(e) {
  const rest = e.ejected_for_seconds > 0 ? ` (${e.ejected_for_seconds.toFixed(0)} s)` : "";
  return [el("td", e.address), el("td", e.state + rest, e.state), el("td", e.tries),
    el("td", e.failures), el("td", e.requests_in_flight), el("td", e.latency_ms.toFixed(1))];
}
function upstream(u) {
  const box = el("section"), title = el("h2", u.name + " "), breaker = u.circuit_breaker;
  if (breaker) title.append("· breaker ", el("span", breaker.state, breaker.state));
  const connections = `${u.connections.active} active, ${u.connections.idle} idle`;
  box.append(title, el("p", `${u.load_balancer} · in flight ${u.requests_in_flight} · waiting ` +
    `${u.requests_pending} · connections ${connections} · retry budget ` +
    u.retry_budget_remaining.toFixed(1)));
  const titles = ["endpoint", "state", "tries", "failures", "in flight", "latency ms"];
  box.append(u.endpoints.length ? table(titles, u.endpoints.map(endpointRow))
    : el("p", u.resolution_error || "no endpoints", "bad"));
  return box;
}
// A route's own breaker, from the metrics.
function routeBreakers(all, sum) {
  const box = el("section"), breakers = all("circuit_breaker_state", l => l.scope === "route");
  if (!breakers.length) return box;
  const rows = breakers.map(b => {
    const name = b.labels.name, state = ["closed", "half-open", "open"][b.value];
    const refused = sum("circuit_breaker_rejected_total",
      l => l.scope === "route" && l.name === name);
    return [el("td", name), el("td", state, state), el("td", refused)];
  });
  box.append(el("h2", "breakers of routes"), table(["route", "breaker", "refused"], rows));
  return box;
}
// The newest first.
function lastEvents(events) {
  const box = el("section");
  if (!events.length) return box;
  const rows = events.slice(-12).reverse().map(e => {
    const what = [e.upstream || e.route || "", e.endpoint || ""].join(" ");
    const state = e.to || e.kind, name = e.to ? e.kind + " " + e.to : e.kind;
    return [el("td", e.time.slice(11, 19)), el("td", what),
      el("td", name + (e.by_hand ? " by hand" : ""), state), el("td", e.cause)];
  });
  box.append(el("h2", "last events"), table(["time (UTC)", "what", "", "cause"], rows));
  return box;
}
async function turn() {
  try {
    const [metrics, live, told] =
      await Promise.all([fetch("metrics"), fetch("upstreams"), fetch("events")]);
    if (!metrics.ok) throw new Error("/metrics: status " + metrics.status);
    if (!live.ok) throw new Error("/upstreams: status " + live.status);
    if (!told.ok) throw new Error("/events: status " + told.status);
    const { all, sum } = parse(await metrics.text());
    const { upstreams } = await live.json();
    at("tiles").replaceChildren(...tiles(sum, Date.now()));
    at("upstreams").replaceChildren(...upstreams.map(upstream), routeBreakers(all, sum));
    at("events").replaceChildren(lastEvents((await told.json()).events));
    at("note").textContent = "live, each second";
  } catch (error) {
    at("note").textContent = "no answer: " + error.message;
  }
  setTimeout(turn, 1000);
}
turn();
</script></body></html>
)html";
  return kPage;
}

}  // namespace outrigger::admin
