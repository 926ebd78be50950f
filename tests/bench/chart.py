"""The chart: a panel for each workload, a bar for each proxy, each panel to its own scale.

Written by hand as SVG, with colours for light and dark; it draws its own ground, as what shows it
may be either.
"""

from xml.sax.saxutils import escape

import workloads

WIDTH, MARGIN, GAP = 960, 28, 32
COLUMNS = 2
PANEL_WIDTH = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
BAR, STEP, TITLE = 16, 23, 34
NAME_WIDTH, VALUE_WIDTH = 104, 84
HEAD, FOOT = 84, 40
SHOWN = {"outrigger": "outrigger", "outrigger-bare": "bare", "haproxy": "HAProxy", "envoy": "Envoy",
         "nginx": "nginx", "relay": "blind relay"}

STYLE = """
  text { font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328; }
  .ground { fill: #ffffff; } .title { font-size: 20px; font-weight: 600; }
  .quiet { font-size: 12px; fill: #59636e; } .panel { font-size: 14px; font-weight: 600; }
  .unit { font-weight: 400; fill: #59636e; } .name, .value { font-size: 13px; }
  .ours { fill: #0969da; } .peer { fill: #afb8c1; } .relay { fill: #d8dee4; }
  .bold { font-weight: 600; } .base { stroke: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .ground { fill: #0d1117; } .quiet, .unit { fill: #9198a1; }
    .ours { fill: #4493f8; } .peer { fill: #656c76; } .relay { fill: #3d444d; } .base { stroke: #3d444d; }
  }
"""


def panels(document):
    """(title, unit, {peer: value}) of what was measured."""
    found = []
    for name, each in document["workloads"].items():
        values = {peer: row["cpu_us"] for peer, row in each["peers"].items()}
        if each["rate"]:
            for key in ("p50", "p99"):
                found.append((f"{name}: {key} at {each['rate']:,} a second", "µs",
                              {peer: row["latency_us"][key] for peer, row in each["peers"].items()}))
        else:
            short = name.split("-")[0]  # S-routes-100: its title says the rest
            found.append((f"{short}: {each['title']}", "µs CPU a request", values))
    if document["memory"]:
        found.append(("M: resident when idle", "MiB",
                      {peer: sizes["fresh"]["resident"] / 2**20
                       for peer, sizes in document["memory"].items()}))
        found.append((f"M: each of {workloads.IDLE_CONNECTIONS:,} idle callers", "bytes",
                      {peer: sizes["bytes_per_connection"]
                       for peer, sizes in document["memory"].items()}))
    return [panel for panel in found if panel[2]]


def svg(document):
    shown = panels(document)
    rows = [shown[at:at + COLUMNS] for at in range(0, len(shown), COLUMNS)]
    parts, top = [], HEAD
    for row in rows:
        for column, panel in enumerate(row):
            parts += _panel(MARGIN + column * (PANEL_WIDTH + GAP), top, *panel)
        top += TITLE + STEP * max(len(values) for _, _, values in row) + GAP // 2
    machine = document["machine"]
    height = top + FOOT
    disturbed = [name for name, each in document["workloads"].items() if not each["accepted"]]
    about = f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['date']}"
    versions = ", ".join(version for name, version in machine["versions"].items()
                         if name not in ("relay", "outrigger-bare"))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        "<title>outrigger and its peers, side by side</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{MARGIN}" y="38">outrigger and its peers, one core each</text>',
        f'<text class="quiet" x="{MARGIN}" y="60">Shorter is better. Medians of interleaved rounds; '
        "outrigger with all its policies and metrics on."
        + (f" Disturbed: {', '.join(disturbed)}." if disturbed else "") + "</text>",
        *parts,
        f'<text class="quiet" x="{MARGIN}" y="{height - 32}">{escape(about)}</text>',
        f'<text class="quiet" x="{MARGIN}" y="{height - 14}">{escape(versions)}</text>',
        "</svg>", ""])


def _panel(left, top, title, unit, values):
    scale = (PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH) / (max(values.values()) or 1)
    parts = [f'<text class="panel" x="{left}" y="{top + 16}">{escape(title)} '
             f'<tspan class="unit">{escape(unit)}</tspan></text>']
    start = left + NAME_WIDTH
    for row, (peer, value) in enumerate(values.items()):
        y = top + TITLE - 6 + row * STEP
        length = max(1.0, max(value, 0) * scale)
        kind = "ours" if peer.startswith("outrigger") else "relay" if peer == "relay" else "peer"
        bold = " bold" if kind == "ours" else ""
        parts += [
            f'<text class="name{bold}" x="{start - 8}" y="{y + 13}" text-anchor="end">'
            f"{escape(SHOWN[peer])}</text>",
            f'<rect class="{kind}" x="{start}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
            f'<text class="value{bold}" x="{start + length + 6:.1f}" y="{y + 13}">'
            f"{_number(value)}</text>"]
    bottom = top + TITLE - 6 + len(values) * STEP - 4
    return [*parts, f'<line class="base" x1="{start}" y1="{top + TITLE - 9}" x2="{start}" '
            f'y2="{bottom}"/>']


def _number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
