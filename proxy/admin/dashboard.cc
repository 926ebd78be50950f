// The live page: one file, no outside resources. It draws what /upstreams and /metrics say.
#include "proxy/admin/pages.h"

namespace outrigger::admin {

std::string_view dashboard_html() {
  static constexpr std::string_view kPage = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>outrigger</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --line: #8884; --good: #2a8f4a; --bad: #c9382c; --warn: #b87a00; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } th:first-child, td:first-child { text-align: left; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; } .tile { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem; min-width: 8rem; }
.tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; } .tile span { opacity: .75; }
.healthy, .closed { color: var(--good); } .ejected, .open, .bad { color: var(--bad); } .probation, .half-open { color: var(--warn); }
#note { opacity: .7; }
</style></head><body>
<h1>outrigger</h1><p id="note" role="status">reading …</p>
<div class="tiles" id="tiles"></div><div id="upstreams"></div>
<p><a href="upstreams">/upstreams</a> · <a href="routes">/routes</a> · <a href="config">/config</a> · <a href="metrics">/metrics</a></p>
<script>
"use strict";
let before = null;
const el = (tag, text, cls) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; if (cls) e.className = cls; return e; };
function parse(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const m = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!m) continue;
    const labels = {};
    for (const l of (m[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[l[1]] = l[2];
    samples.push({ name: "" + m[1], labels, value: Number(m[3]) });
  }
  const all = (name, where = () => true) => samples.filter(s => s.name === "outrigger_" + name && where(s.labels));
  const sum = (...which) => all(...which).reduce((a, s) => a + s.value, 0);
  return { all, sum };
}
function tile(name, value, cls) { const t = el("div", undefined, "tile"); t.append(el("b", value, cls), el("span", name)); return t; }
// A route's own breaker is on no other page than the metrics'.
function routeBreakers(all) {
  const breakers = all("circuit_breaker_state", l => l.scope === "route");
  const box = el("section"), table = el("table"), head = el("tr");
  if (!breakers.length) return box;
  for (const h of ["route", "breaker", "refused"]) head.append(el("th", h));
  table.append(head);
  for (const b of breakers) {
    const state = ["closed", "half-open", "open"][b.value], row = el("tr");
    const refused = all("circuit_breaker_rejected_total", l => l.scope === "route" && l.name === b.labels.name);
    row.append(el("td", b.labels.name), el("td", state, state), el("td", refused.reduce((a, s) => a + s.value, 0)));
    table.append(row);
  }
  box.append(el("h2", "breakers of routes"), table);
  return box;
}
function draw({ all: series, sum: get }, upstreams, now) {
  const seen = { requests: get("requests_total"), failed: get("requests_total", l => l.code >= "500"), tries: get("upstream_attempts_total"),
    first: get("upstream_attempts_total", l => l.try === "first"), retries: get("retries_total"), ejections: get("outlier_ejections_total"), at: now };
  const rate = key => before ? Math.max(0, (seen[key] - before[key]) / ((now - before.at) / 1000)).toFixed(1) : "–";
  const amplification = seen.first ? (seen.tries / seen.first).toFixed(2) : "–";
  document.getElementById("tiles").replaceChildren(tile("requests / s", rate("requests")), tile("answered 5xx / s", rate("failed"), seen.failed > (before ? before.failed : seen.failed) ? "bad" : ""),
    tile("retries / s", rate("retries")), tile("ejections", seen.ejections), tile("tries / first tries", amplification), tile("in flight", get("requests_in_flight")));
  before = seen;
  const all = upstreams.map(u => {
    const box = el("section"), title = el("h2", u.name + " ");
    if (u.circuit_breaker) title.append("· breaker ", el("span", u.circuit_breaker.state, u.circuit_breaker.state));
    box.append(title, el("p", `${u.load_balancer} · in flight ${u.requests_in_flight} · waiting ${u.requests_pending} · connections ${u.connections.active} active, ${u.connections.idle} idle · retry budget ${u.retry_budget_remaining.toFixed(1)}`));
    const table = el("table"), head = el("tr");
    for (const h of ["endpoint", "state", "tries", "failures", "in flight", "latency ms"]) head.append(el("th", h));
    table.append(head);
    for (const e of u.endpoints) {
      const row = el("tr");
      row.append(el("td", e.address), el("td", e.state + (e.ejected_for_seconds > 0 ? ` (${e.ejected_for_seconds.toFixed(0)} s)` : ""), e.state), el("td", e.tries), el("td", e.failures), el("td", e.requests_in_flight), el("td", e.latency_ms.toFixed(1)));
      table.append(row);
    }
    box.append(u.endpoints.length ? table : el("p", u.resolution_error || "no endpoints", "bad"));
    return box;
  });
  document.getElementById("upstreams").replaceChildren(...all, routeBreakers(series));
}
async function turn() {
  const note = document.getElementById("note");
  try {
    const [metrics, upstreams] = await Promise.all([fetch("metrics"), fetch("upstreams")]);
    if (!metrics.ok || !upstreams.ok) throw new Error("status " + upstreams.status);
    draw(parse(await metrics.text()), (await upstreams.json()).upstreams, Date.now());
    note.textContent = "live, each second";
  } catch (error) { note.textContent = "no answer: " + error.message; }
  setTimeout(turn, 1000);
}
turn();
</script></body></html>
)html";
  return kPage;
}

}  // namespace outrigger::admin
