#!/usr/bin/env python3
"""How outrigger compares with what else one would use, on this machine, side by side.

A backend and a load generator of our own; the proxy that is measured alone on one core, all else on
the others. In each round all are started anew and the proxies take short turns, A B C A B C. What
counts is the CPU that a proxy used for a request: unlike requests a second it does not depend on
what else the cores do. Responses are checked to the byte; a wrong one fails its round and the run.
A round during which other processes had more than 15 % of a core, or the hypervisor more than 30 %,
is made once more, as long as the patience for that lasts; one after it is not counted.

Prints a table and the verdicts on the targets; writes tests/bench/results/latest.json and .svg.
Run by ./dev bench; a whole run takes 20 to 25 minutes.

workloads:
"""

import argparse
import contextlib
import os
import pathlib
import resource
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
os.environ.setdefault("OUTRIGGER_BIN", str(HERE.parent.parent / "build/release/outrigger"))

import machine  # noqa: E402  (needs what is above)
import measure  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import targets  # noqa: E402
import workloads  # noqa: E402

WARM_UP = 0.3
TURNS = 4
PATIENCE = 5  # minutes in a whole run, for rounds that are made once more
LEAST_DESCRIPTORS = 12_000  # of the relay with 5,000 idle callers


def say(text):
    print(text, file=sys.stderr, flush=True)


class Results:
    """All that was measured."""

    def __init__(self):
        self.rounds = {}    # workload -> [Round]
        self.repeated = {}  # workload -> rounds that were disturbed and made once more
        self.memory = {}    # peer -> sizes
        self.failures = []  # texts

    def accepted(self, workload):
        return [each for each in self.rounds.get(workload, []) if each.accepted]


class Run:
    def __init__(self, options, names, directory):
        self.options = options
        self.names = names
        self.directory = directory
        self.cores = machine.Cores.of_this_machine()
        os.sched_setaffinity(0, self.cores.load)
        self.results = Results()
        self.patience = 60 * options.patience

    def bench(self, workload, names):
        def setup(ports):
            return peers.Setup(ports, workload.routes, workload.body, workload.response)
        return measure.Bench.of(self.cores, names, setup, workload.endpoints,
                                tempfile.mkdtemp(dir=self.directory))

    def workload(self, workload):
        names = [name for name in self.names if not workload.peers or name in workload.peers]
        if not names:
            return
        wanted = self.options.rounds or workload.rounds
        say(f"{workload.name}: {workload.title}; {wanted} rounds of {', '.join(names)}")
        rounds = self.results.rounds.setdefault(workload.name, [])
        for _ in range(wanted):
            made = self.round(workload, names)
            if made:
                rounds.append(made)

    def round(self, workload, names):
        """None where a proxy failed."""
        while True:
            began = time.monotonic()
            made = self.samples(workload, names)
            if not made:
                return None
            if made.accepted or self.patience <= 0:
                break
            self.patience -= time.monotonic() - began
            name = made.disturbed[0]
            repeated = self.results.repeated
            repeated[workload.name] = repeated.get(workload.name, 0) + 1
            say(f"  once more: beside {name} others had {made.samples[name].others:.0%} of a core, "
                f"the hypervisor {made.samples[name].stolen:.0%}")
        say("  " + "  ".join(f"{name} {sample.cpu_us:.2f}" for name, sample in made.samples.items())
            + ("" if made.accepted else "  (disturbed: not counted)"))
        return made

    def samples(self, workload, names):
        """A round, or None where a proxy failed. Each round has processes of its own: two of the same
        program may differ for as long as they live."""
        turns = {name: [] for name in names}
        failures = len(self.results.failures)
        with self.failing(workload.name, "start"), self.bench(workload, names) as bench, \
                contextlib.ExitStack() as closing:
            loads = {}
            words = ["--seconds", self.options.seconds, "--warm-up", WARM_UP]
            for name, proxy in bench.proxies.items():
                with self.failing(workload.name, name):
                    loads[name] = closing.enter_context(
                        bench.load(proxy, [*workload.load(proxy.setup), *words]))
            for _ in range(TURNS):
                if len(self.results.failures) > failures:
                    break
                for name, load in loads.items():
                    with self.failing(workload.name, name):
                        turns[name].append(bench.sample(bench.proxies[name], load,
                                                        by_latency=bool(workload.rate)))
        if len(self.results.failures) > failures:
            return None
        return measure.Round({name: measure.Sample.of_turns(each) for name, each in turns.items()})

    def memory(self):
        """One peer at a time, fresh."""
        workload = workloads.ALL["W1"]
        say(f"{workloads.MEMORY}: memory with {workloads.IDLE_CONNECTIONS:,} idle connections")
        for name in self.names:
            with self.failing(workloads.MEMORY, name), self.bench(workload, [name]) as bench:
                proxy = bench.proxies[name]
                sizes = measure.memory(bench, proxy, workload.load(proxy.setup),
                                       self.options.seconds, workloads.IDLE_CONNECTIONS)
                self.results.memory[name] = sizes
                say(f"  {name}: {sizes['bytes_per_connection']:.0f} B a connection")

    @contextlib.contextmanager
    def failing(self, workload, name):
        """What goes wrong is told at once and at the end, and the rest is still measured."""
        try:
            yield
        except (measure.Wrong, RuntimeError, AssertionError, OSError) as error:
            self.results.failures.append(f"{workload} {name}: {error}")
            say(f"  FAILED {name}: {error}")


def parse():
    listed = "\n".join(f"  {each.name:<17} {each.title}" for each in workloads.ALL.values())
    parser = argparse.ArgumentParser(
        prog="./dev bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"{__doc__}{listed}\n  {'M':<17} memory, fresh and with idle connections\n"
                    f"  {'S':<17} all of S-…",
        epilog="peers: " + ", ".join(peers.ALL))
    parser.add_argument("--rounds", type=int, metavar="N",
                        help=f"of each workload (default: {workloads.USUAL_ROUNDS}, of W1, W3 "
                             f"and W4 {workloads.CLOSE_ROUNDS}, of S {workloads.SCALE_ROUNDS})")
    parser.add_argument("--seconds", type=float, default=0.25, metavar="S",
                        help=f"of each of the {TURNS} turns in a round (default: %(default)s)")
    parser.add_argument("--workloads", metavar="W1,W3", default=",".join(workloads.NAMES),
                        help=f"only these (default: {','.join(workloads.NAMES)})")
    parser.add_argument("--peers", metavar="A,B", default=",".join(peers.USUAL),
                        help=f"only these (default: {','.join(peers.USUAL)})")
    parser.add_argument("--others", type=float, default=100 * measure.DISTURBED, metavar="PERCENT",
                        help="of a core that other processes may have (default: 15)")
    parser.add_argument("--stolen", type=float, default=100 * measure.STOLEN, metavar="PERCENT",
                        help="of a core that the hypervisor may have (default: 30)")
    parser.add_argument("--patience", type=float, default=PATIENCE, metavar="MINUTES",
                        help="for all rounds that are made once more (default: %(default)s)")
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results", metavar="FOLDER",
                        help="where latest.json and latest.svg go (default: tests/bench/results)")
    options = parser.parse_args()
    measure.DISTURBED = options.others / 100
    measure.STOLEN = options.stolen / 100
    options.workloads = options.workloads.split(",")
    options.peers = options.peers.split(",")
    for word, known in (("workloads", [*workloads.ALL, "M", "S"]), ("peers", peers.ALL)):
        for name in getattr(options, word):
            if name not in known:
                parser.error(f"unknown: {name} ({word}: {', '.join(known)})")
    if options.seconds <= 0 or (options.rounds is not None and options.rounds < 1):
        parser.error("--seconds and --rounds are above 0")
    return options


def available(names):
    """Those that can be had; says why of the others."""
    found = []
    for name in names:
        why = peers.ALL[name].missing()
        if why and name == targets.OURS:
            sys.exit(f"bench: {why}")
        if why:
            say(f"without {name}: {why}")
        else:
            found.append(name)
    if not found:
        sys.exit("bench: no proxy to measure")
    return found


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all is taken down
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < LEAST_DESCRIPTORS:
        sys.exit(f"bench: {LEAST_DESCRIPTORS} open files are needed, the limit is {hard}")
    names = available(options.peers)
    with tempfile.TemporaryDirectory(prefix="outrigger-bench-") as directory:
        run = Run(options, names, directory)
        for name in options.workloads:
            if name == workloads.MEMORY:
                run.memory()
                continue
            for each in workloads.ALL.values():
                if name in (each.name, each.name.split("-")[0]):
                    run.workload(each)
    versions = {name: peers.ALL[name].version() for name in names}
    verdicts = targets.judge(run.results)
    document = report.document(run.results, verdicts, machine.description(versions),
                               {"seconds": options.seconds, "turns": TURNS, "warm_up": WARM_UP,
                                "others_percent": options.others,
                                "stolen_percent": options.stolen})
    print(report.text(document))
    report.write(document, options.results)
    say(f"written: {options.results}/latest.json, latest.svg")
    return 1 if run.results.failures else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
