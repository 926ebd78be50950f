#!/usr/bin/env python3
"""Counts what a request costs, where time would tell of the machine too: system calls by strace,
instructions in user space by callgrind. Fails where a bound is broken (bounds.py).

Counted are the workers' threads alone, over a fixed number of requests on connections that are
warm: the upstream has so many of them that a whole run makes no new one. What disturbs the
machine can add a little (smaller batches, a timer more) and takes nothing away, so a count that
is above its bound is made again, twice at most, and the least holds.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import glob
import os
import re
import signal
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
from harness import Outrigger, eventually, process, run_binary  # noqa: E402

COUNTS = 3
WARM_RUNS = 20
CORES = machine.Cores(0, *[sorted(os.sched_getaffinity(0))] * 2)
DEFAULT = {}
ALL, BARE = peers.OutriggerPeer.policies, peers.OutriggerBare.policies
NO_ACCESS_LOG = 'unknown key "access_log"'


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


CALLS = {"calls W1": Case(requests=2000, config=ALL),
         "calls W4": Case("W4", requests=2000, config=ALL),
         "calls W5": Case("W5", requests=1000, config=ALL)}
INSTRUCTIONS = {
    "W1": Case(),
    "W6": Case("W6"),
    "bare": Case(config=BARE),
    "all policies": Case(config=ALL),
    "10,000 routes": Case(routes=10_000, config=ALL),
    "1,000 connections": Case(upstream_connections=1000, config=ALL),
    "1,000 endpoints": Case(endpoints=1000, upstream_connections=1000, config=ALL),
    "access log": Case(config={"access_log": {"path": "/dev/null", "format": "json"}}),
    "two workers": Case(config={"workers": 2}),
}


class Subject:
    """The program before a backend, warm."""

    def __init__(self, case, stack, directory, under=()):
        self.backend = measure.Backend(CORES, case.endpoints)
        stack.callback(self.backend.stop)
        setup = peers.Setup(self.backend.ports, routes=case.routes)
        # Under these tools a turn of the loop takes long, and that is no reason to refuse.
        config = {**peers.OutriggerPeer.config(setup), "overload": {"max_loop_lag": "1m"}}
        config.pop("defaults")
        self.daemon = Outrigger({**config, **case.config}, directory, under=under)
        stack.callback(self.daemon.kill)
        self.port = int(self.daemon.address.rsplit(":", 1)[1])
        workload = workloads.ALL[case.workload]
        self.words = [*workload.load(setup), "--requests", case.requests]
        if case.upstream_connections > case.connections:
            self.fill(case.upstream_connections)
        self.load = self.loading(case.connections)
        stack.enter_context(contextlib.closing(self.load))
        self.fill(case.connections, self.load)
        self.settle()

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

    def settle(self):
        """Until a whole run makes no upstream connection."""
        for _ in range(WARM_RUNS):
            before = self.upstream_connections()
            self.load.go()
            if self.upstream_connections() == before:
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


def count_instructions(case, directory):
    """Of a request, in user space."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=directory))
        out = os.path.join(directory, "callgrind")
        subject = Subject(case, stack, directory, under=[
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


def total_of(name):
    """What a thread executed; 0 for the control thread, which is the first."""
    with open(name, encoding="utf-8", errors="replace") as file:
        text = file.read()
    thread, = re.findall(r"^thread: (\d+)$", text, re.MULTILINE)
    total, = re.findall(r"^totals: (\d+)$", text, re.MULTILINE)
    return 0 if thread == "1" else int(total)


if __name__ == "__main__":
    import time
    for name in sys.argv[1:]:
        t = time.time()
        with tempfile.TemporaryDirectory() as d:
            print(name, count_calls(CALLS[name], d) if name in CALLS else count_instructions(INSTRUCTIONS[name], d), time.time() - t)
