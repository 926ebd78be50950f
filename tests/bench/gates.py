#!/usr/bin/env python3
"""Counts what a request costs, where time would tell of the machine too: system calls by strace,
heap allocations by an allocator of ours, instructions in user space by callgrind. Fails where a
bound is broken (bounds.py).

Counted are the workers' threads alone, over a fixed number of requests on connections that are
warm: the upstream has so many of them that a whole run makes no new one (of 1,000 endpoints: next
to none). A count above its bound is made again, twice at most. Of calls and allocations the least
holds, as a busy machine only adds to them (smaller batches, a timer more); of instructions the
median, as valgrind may begin to count late.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import glob
import os
import re
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import bounds  # noqa: E402  (needs the path above)
import machine  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import workloads  # noqa: E402
from harness import Outrigger, eventually, process  # noqa: E402

COUNTS = 3  # of one, at most
AT_ONCE = 2
WARM_RUNS = 20
CORES = machine.Cores(0, *[sorted(os.sched_getaffinity(0))] * 2)
DEFAULT = {}
ALL, BARE = peers.OutriggerPeer.policies, peers.OutriggerBare.policies


class NotCounted(Exception):
    """It cannot be, here."""


@dataclass
class Case:
    """A configuration, and what it is asked."""
    workload: str = "W1"
    requests: int = 4000
    connections: int = 64
    routes: int = 1
    endpoints: int = 1
    upstream_connections: int = 64
    config: dict = field(default_factory=dict)


CALLS = {name: Case(name, requests=2000, config=ALL) for name in ("W1", "W4", "W5")}
INSTRUCTIONS = {
    "W1": Case(),
    "W6": Case("W6"),
    "a bare route": Case(config=BARE),
    "all policies": Case(config=ALL),
    "10,000 routes": Case(routes=10_000, config=ALL),
    # Few callers: two of them at one endpoint of 1,000 would need another connection there.
    "one with 1,000 connections": Case(connections=8, upstream_connections=1000, config=ALL),
    "1,000 endpoints": Case(connections=8, endpoints=1000, upstream_connections=1000, config=ALL),
    "JSON access log": Case(config={"access_log": {"path": "/dev/null", "format": "json"}}),
    "two workers": Case(config={"workers": 2}),
}


# A POST that may be retried: its body is kept.
RETRIED = {"defaults": {**ALL["defaults"], "route": {
    "retry": {"methods": ["GET", "POST"]}, "circuit_breaker": {}}}}
ALLOCATIONS = {"W1": Case(config=ALL), "W4": Case("W4", config=RETRIED),
               "W6": Case("W6", config=ALL)}

TOOL_OF = {"calls": "strace", "epoll_ctl": "strace", "instructions": "callgrind",
           "allocations": "allocator"}


class Subject:
    """The program before a backend, warm. It is slow under these tools, which is no reason for it
    to refuse requests, nor to give up connections."""

    def __init__(self, case, stack, directory, **options):
        self.backend = measure.Backend(CORES, case.endpoints)
        stack.callback(self.backend.stop)
        setup = peers.Setup(self.backend.ports, routes=case.routes)
        config = {**peers.OutriggerPeer.config(setup), "overload": {"max_loop_lag": "1m"},
                  "shutdown": {"delay": "0s", "outbound": "immediate"}}
        config.pop("defaults")
        config["upstreams"]["all"]["timeouts"] = {"idle": "1h"}
        try:
            self.daemon = Outrigger({**config, **case.config}, directory, **options)
        except AssertionError as error:
            if "not supported by this version" in str(error):
                raise NotCounted("not supported by this version") from None
            raise
        stack.callback(self.daemon.kill)
        self.port = int(self.daemon.address.rsplit(":", 1)[1])
        workload = workloads.ALL[case.workload]
        self.words = [*workload.load(setup), "--requests", case.requests]
        if case.upstream_connections > case.connections:
            self.fill(case.upstream_connections)
        self.load = self.loading(case.connections)
        stack.enter_context(contextlib.closing(self.load))
        self.fill(case.connections, self.load)
        self.settle(2 if case.endpoints > 1 else 0)

    def loading(self, connections):
        return measure.Load(CORES, self.port, [*self.words, "--connections", connections])

    def fill(self, connections, load=None):
        """So many upstream connections at least: as many requests, none of which is answered
        before the last has been sent."""
        own = load or self.loading(connections)
        with contextlib.closing(own) if load is None else contextlib.nullcontext():
            os.kill(self.backend.pid, signal.SIGSTOP)
            try:
                own.begin()
                eventually(lambda: self.upstream()["requests_in_flight"] == connections,
                           f"{connections} requests at the backend")
            finally:
                os.kill(self.backend.pid, signal.SIGCONT)
            own.end()

    def settle(self, most):
        """Until a whole run makes so few upstream connections."""
        for _ in range(WARM_RUNS):
            before = self.upstream_connections()
            self.load.go()
            if self.upstream_connections() <= before + most:
                return
        raise RuntimeError(f"{before} upstream connections do not suffice")

    def upstream(self):
        return self.daemon.admin_json("/upstreams")["upstreams"][0]

    def upstream_connections(self):
        return sum(self.upstream()["connections"].values())

    @property
    def workers(self):
        """Their threads; the first thread of the process is the control thread."""
        return [thread for thread in process.threads(self.daemon.pid) if thread != self.daemon.pid]


def library(name):
    return peers.tool(name) + ".so"


def count_calls(case, directory):
    """How often each system call is made, a request."""
    with contextlib.ExitStack() as stack:
        subject = Subject(case, stack, directory)
        table = os.path.join(subject.daemon.directory, "strace")
        threads = [word for thread in subject.workers for word in ("-p", thread)]
        with open(table + ".err", "w+", encoding="utf-8") as err:
            strace = process.start(["strace", "-c", "-o", table, *threads], stderr=err)
            stack.callback(process.kill, strace)

            def attached():
                if strace.poll() is not None:
                    err.seek(0)
                    raise NotCounted(f"strace: {err.read().strip()}")
                return all(process.status_field(thread, "TracerPid") == str(strace.pid)
                           for thread in subject.workers)
            eventually(attached, "strace attached")
            subject.load.go()
            strace.send_signal(signal.SIGINT)
            strace.wait()
        calls = collections.Counter()
        with open(table, encoding="utf-8") as file:
            for match in re.finditer(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$",
                                     file.read(), re.MULTILINE):
                if match[2] != "total":
                    calls[match[2]] = int(match[1]) / case.requests
        return calls


def count_instructions(case, directory, out=None):
    """Of a request, in user space. `out`: what callgrind's files, one a thread, begin with."""
    with contextlib.ExitStack() as stack:
        if out is None:
            out = os.path.join(stack.enter_context(tempfile.TemporaryDirectory(dir=directory)), "out")
        subject = Subject(case, stack, directory, env={"LD_PRELOAD": library("slow_clock")}, under=[
            "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
            f"--callgrind-out-file={out}"])

        def instrument(word):
            done = subprocess.run(["callgrind_control", "-i", word, str(subject.daemon.pid)],
                                  capture_output=True, text=True, check=False)
            if "OK" not in done.stdout:
                raise NotCounted(f"callgrind_control: {done.stdout}{done.stderr}")
        instrument("on")
        subject.load.go()
        instrument("off")
        subject.daemon.terminate()
        return sum(map(total_of, glob.glob(f"{out}-*"))) / case.requests


def count_allocations(case, directory):
    """From the heap, in all: by an allocator that is preloaded (allocations.cc)."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=directory))
        file = os.path.join(directory, "allocations")
        subject = Subject(case, stack, directory, env={
            "LD_PRELOAD": library("allocations"), "OUTRIGGER_ALLOCATIONS": file})

        def counted():
            with open(file, "rb") as counts:
                of = dict(struct.iter_unpack("qQ", counts.read()))
            return sum(of[thread] for thread in subject.workers)
        before = counted()
        if not before:
            raise RuntimeError("nothing was allocated before the first request: it does not count")
        subject.load.go()
        return counted() - before


def total_of(name):
    """What a thread executed; 0 for the control thread, which is the first."""
    with open(name, encoding="utf-8", errors="replace") as file:
        text = file.read()
    thread, = re.findall(r"^thread: (\d+)$", text, re.MULTILINE)
    total, = re.findall(r"^totals: (\d+)$", text, re.MULTILINE)
    return 0 if thread == "1" else int(total)


@dataclass
class Verdict:
    bound: bounds.Bound
    measured: float = None
    why: str = ""  # it was not measured

    @property
    def held(self):
        return self.measured is None or self.measured <= self.bound.gate

    @property
    def word(self):
        if self.measured is None:
            return f"not counted: {self.why}"
        if not self.held:
            return "BROKEN"
        return "" if self.measured <= self.bound.target else "target missed"


class Counts:
    """What was counted; a sample is a kind and the name of a case."""

    def __init__(self, directory, keep=None):
        self._directory = directory
        self._keep = keep
        self._all = {}
        self._why_not = {}

    def make(self, samples):
        runs = sorted({(TOOL_OF[kind], name) for kind, name in samples})
        # Alone: whether an epoll_wait brings many events or few depends on who else runs.
        results = [self._count(run) for run in runs if run[0] == "strace"]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            results += pool.map(self._count, [run for run in runs if run[0] != "strace"])
        for result in results:
            for sample, value in result.items():
                self._all.setdefault(sample, []).append(value)

    def _count(self, run):
        tool, name = run
        try:
            if tool == "strace":
                calls = count_calls(CALLS[name], self._directory)
                say(f"{name}: " + "  ".join(f"{call} {count:.3f}"
                                            for call, count in calls.most_common()))
                return {("calls", name): sum(calls.values()),
                        ("epoll_ctl", name): calls["epoll_ctl"]}
            if tool == "allocator":
                return {("allocations", name): count_allocations(ALLOCATIONS[name],
                                                                 self._directory)}
            out = self._keep and os.path.join(self._keep, name.replace(" ", "-"))
            return {("instructions", name): count_instructions(INSTRUCTIONS[name],
                                                               self._directory, out)}
        except NotCounted as error:
            self._why_not[run] = str(error)
            return {}

    def _held(self, sample):
        values = self._all[sample]
        return statistics.median_low(values) if sample[0] == "instructions" else min(values)

    def judge(self, bound):
        for kind, name in bound.needs:
            why = self._why_not.get((TOOL_OF[kind], name))
            if why:
                return Verdict(bound, why=why)
        return Verdict(bound, bound.measure(*map(self._held, bound.needs)))


def say(text):
    print(text, file=sys.stderr, flush=True)


def table(verdicts):
    rows = [("a request", "counted", "gate", "target", "")]
    for each in verdicts:
        number = f"{{:,.{each.bound.digits}f}}".format
        rows.append((each.bound.name, "–" if each.measured is None else number(each.measured),
                     number(each.bound.gate), number(each.bound.target), each.word))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(f"{row[0]:<{widths[0]}}  " + "  ".join(
        f"{cell:>{width}}" for cell, width in zip(row[1:4], widths[1:4])) + f"  {row[4]}".rstrip()
        for row in rows)


def main():
    parser = argparse.ArgumentParser(
        prog="./dev bench-gates", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD",
                        help="only the bounds whose name has one of these")
    parser.add_argument("--keep", metavar="FOLDER",
                        help="callgrind's files, for callgrind_annotate (…-02 is the worker's)")
    options = parser.parse_args()
    asked = [bound for bound in bounds.BOUNDS
             if not options.words or any(word in bound.name for word in options.words)]
    with tempfile.TemporaryDirectory(prefix="outrigger-gates-") as directory:
        counts = Counts(directory, options.keep)
        again = asked
        for _ in range(COUNTS):
            counts.make([sample for bound in again for sample in bound.needs])
            verdicts = [counts.judge(bound) for bound in asked]
            again = [each.bound for each in verdicts if not each.held]
            if not again:
                break
    print(table(verdicts))
    return 1 if again else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all is taken down
    sys.exit(main())
