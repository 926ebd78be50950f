"""What was measured, as a document for latest.json, as text, and as the tables of the README.

Run by itself it puts the tables of results/latest.json into the README.
"""

import json
import pathlib
import re
import statistics
from dataclasses import asdict

import chart
import targets
import workloads

QUANTILES = ("p50", "p90", "p99", "p99.9")
HERE = pathlib.Path(__file__).resolve().parent
LATEST = HERE / "results/latest.json"
README = HERE.parent.parent / "README.md"


def document(results, verdicts, machine, settings):
    return {"machine": machine,
            "settings": settings,
            "workloads": {name: _workload(name, rounds, results.repeated.get(name, 0))
                          for name, rounds in results.rounds.items()},
            "memory": results.memory,
            "targets": [{**asdict(each), "verdict": each.word} for each in verdicts],
            "failures": results.failures}


def _workload(name, rounds, repeated):
    """Medians of the accepted rounds; of all, and said so, where none was accepted."""
    accepted = [each for each in rounds if each.accepted]
    counted = accepted or rounds
    better = targets.better(counted)
    peers = {}
    for peer in counted[0].samples if counted else ():
        over = {other: targets.ratio(counted, other, peer)
                for other in ("relay", better, "envoy") if other in counted[0].samples}
        peers[peer] = {
            "cpu_us": targets.median(counted, peer),
            "cpu_us_spread": _spread(targets.values(counted, peer)),
            "per_second": targets.median(counted, peer, "per_second"),
            "late": statistics.median(targets.values(counted, peer, "late")),
            "unsent": max(targets.values(counted, peer, "unsent")),
            "latency_us": {key: targets.median(counted, peer, key) for key in QUANTILES},
            "over_relay": over.get("relay"), "over_better": over.get(better),
            "over_envoy": over.get("envoy")}
    return {"title": workloads.ALL[name].title, "rate": workloads.ALL[name].rate,
            "stolen": max((sample.stolen for each in counted for sample in each.samples.values()),
                          default=0),
            "rounds": len(rounds), "accepted": len(accepted), "repeated": repeated,
            "better": better, "peers": peers,
            "samples": [each.to_json() for each in rounds]}


def _spread(values):
    """Lowest and highest."""
    return [min(values), max(values)]


def text(document):
    parts = [_cpu_table(document)]
    parts += [_latency_table(name, each) for name, each in document["workloads"].items()
              if each["rate"] and each["peers"]]
    if document["memory"]:
        parts.append(_memory_table(document["memory"]))
    if document["targets"]:
        parts.append(_verdicts(document["targets"]))
    parts += [f"FAILED: {each}" for each in document["failures"]]
    machine = document["machine"]
    settings = document["settings"]
    stolen = max((each["stolen"] for each in document["workloads"].values()), default=0)
    parts.append(f"{settings['turns']} turns of {settings['seconds']:g} s a round; in those that count "
                 f"other processes had up to {settings['others_percent']:g} % of a core, the hypervisor "
                 f"{stolen:.0%}\n"
                 f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
                 f"{machine['date']}\n" + ", ".join(machine["versions"].values()))
    return "\n\n".join(parts)


def _cpu_table(document):
    """Of all: microseconds of the proxy's CPU; of ours: the ratios."""
    names = []
    for each in document["workloads"].values():
        names += [peer for peer in each["peers"] if peer not in names]
    lines = ["CPU of the proxy in µs a request, medians; and outrigger's ratio, median of the rounds'",
             f"{'':<48}" + "".join(f"{name:>15}" for name in names)
             + f"{'/relay':>9}{'/better':>9}{'/envoy':>9}{'rounds':>8}"]
    for name, each in document["workloads"].items():
        ours = each["peers"].get(targets.OURS, {})
        cells = "".join(_cell(each["peers"][peer]["cpu_us"] if peer in each["peers"] else None, 15)
                        for peer in names)
        ratios = "".join(_cell(ours.get(key), 9) for key in
                         ("over_relay", "over_better", "over_envoy"))
        rounds = f"{each['accepted']}/{each['rounds']}"
        lines.append(f"{name:<17}{each['title']:<31}{cells}{ratios}{rounds:>8}"
                     + ("" if each["accepted"] else "  DISTURBED"))
    return "\n".join(lines)


def _cell(value, width):
    return f"{'–' if value is None else format(value, '.2f'):>{width}}"


def _latency_table(name, workload):
    lines = [f"{name}: latency in µs at {workload['rate']:,} requests a second, from the intended "
             "time; medians",
             f"{'':<16}" + "".join(f"{key:>10}" for key in QUANTILES)
             + f"{'achieved':>12}{'late':>8}{'missed':>8}"]
    for peer, each in workload["peers"].items():
        lines.append(f"{peer:<16}" + "".join(f"{each['latency_us'][key]:>10.1f}" for key in QUANTILES)
                     + f"{each['per_second']:>12,.0f}{each['late']:>8,.0f}{each['unsent']:>8,}")
    return "\n".join(lines)


def _memory_table(memory):
    connections = workloads.IDLE_CONNECTIONS
    lines = [f"M: memory in KiB: fresh, after two loads of W1, with {connections:,} idle callers",
             f"{'':<16}{'fresh':>10}{'loaded':>10}{'again':>10}{'idle':>10}{'B a caller':>12}"]
    for peer, sizes in memory.items():
        lines.append(f"{peer:<16}" + "".join(
            f"{sizes[key]['resident'] >> 10:>10,}" for key in
            ("fresh", "loaded", "loaded_again", "idle")) + f"{sizes['bytes_per_connection']:>12,.0f}")
    return "\n".join(lines)


def _verdicts(judged):
    lines = ["Targets, with all policies on"]
    for each in judged:
        why = f" ({each['why']})" if each["why"] else ""
        lines.append(f"  {each['workload']:<4}{each['name']:<52}{_cell(each['measured'], 9)}"
                     f"  <= {each['bound']:<6g}{each['verdict']}{why}")
    return "\n".join(lines)


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def _table(head, rows):
    return "\n".join([_row(head), "|" + "---|" * len(head), *map(_row, rows)])


def _or_none(value, form):
    return "–" if value is None else format(value, form)


def tables(document):
    """For the README, by name: cpu, latency, memory, targets, machine."""
    peers = [name for name in ("outrigger", "relay", "nginx", "haproxy", "envoy")
             if any(name in each["peers"] for each in document["workloads"].values())]
    names = [chart.SHOWN[name] for name in peers]
    cpu, latency = [], []
    for name, each in document["workloads"].items():
        ours = each["peers"][targets.OURS]
        cpu.append([f"{name.split('-')[0]}: {each['title']}",
                    *(_or_none(each["peers"].get(peer, {}).get("cpu_us"), ".1f") for peer in peers),
                    *(_or_none(ours[f"over_{key}"], ".2f") for key in
                      ("relay", "better", "envoy")),
                    f"{each['accepted']} of {each['rounds'] + each['repeated']}"])
        if each["rate"]:
            latency += [[chart.SHOWN[peer], *(f"{row['latency_us'][key]:,.0f}" for key in QUANTILES),
                         f"{row['per_second']:,.0f}"] for peer, row in each["peers"].items()]
    memory = [[chart.SHOWN[peer],
               *(f"{sizes[key]['resident'] / 2**20:.1f}" for key in
                 ("fresh", "loaded", "loaded_again", "idle")),
               f"{sizes['bytes_per_connection']:,.0f}"] for peer, sizes in document["memory"].items()]
    judged = [[each["workload"], each["name"], f"{each['bound']:g}",
               _or_none(each["measured"], ".2f"), each["verdict"]] for each in document["targets"]]
    machine = document["machine"]
    versions = [version for name, version in machine["versions"].items() if name != "relay"]
    return {
        "cpu": _table(["CPU, µs a request", *names, "/ relay", "/ better", "/ Envoy",
                       "rounds"], cpu),
        "latency": _table(["latency, µs", *QUANTILES, "answered a second"], latency),
        "memory": _table(["resident, MiB", "fresh", "after a load", "after another",
                          f"{workloads.IDLE_CONNECTIONS:,} idle callers", "bytes a caller"], memory),
        "targets": _table(["", "target", "at most", "measured", ""], judged),
        "machine": f"{machine['cpu']}, {machine['cores']} cores of a virtual machine, Linux "
                   f"{machine['kernel']}, {machine['date']}; {', '.join(versions)}."}


def in_readme(text, document):
    """The README's text with the tables of this document between its marks."""
    for name, table in tables(document).items():
        text, count = re.subn(rf"(<!-- bench {name} -->\n).*?(<!-- end -->)",
                              lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text,
                              flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"the README has {count} places for the table {name}")
    return text


def write(document, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n",
                                        encoding="utf-8")
    (folder / "latest.svg").write_text(chart.svg(document), encoding="utf-8")


if __name__ == "__main__":
    README.write_text(in_readme(README.read_text(encoding="utf-8"),
                                json.loads(LATEST.read_text(encoding="utf-8"))), encoding="utf-8")
