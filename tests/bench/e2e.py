#!/usr/bin/env python3
"""Measures what the end-to-end tests only bound: times and sizes on real programs.

Prints one line a figure; nothing here passes or fails. Run by ./dev bench-e2e.
"""

import argparse
import os
import pathlib
import resource
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import Case, answers, process  # noqa: E402

SECONDS = 30


def say(name, figure):
    print(f"{name:<58} {figure}", flush=True)


class Bench(Case):
    def three(self, **options):
        self.servers = [self.nginx(f"n{i}") for i in range(3)]
        return self.proxy(*self.servers, **options)

    def loaded(self, daemon, seconds):
        wrk = self.wrk(daemon.url(), seconds)
        daemon.wait_metric("requests_total", lambda count: count > 1000, code="200")
        return wrk

    def took(self, daemon, name, expected, **labels):
        began = time.monotonic()
        daemon.wait_metric(name, expected, **labels)
        return f"{time.monotonic() - began:.2f} s"

    def test_1_sustained_load(self):
        daemon = self.three()
        wrk = self.wrk(daemon.url(), SECONDS)
        time.sleep(SECONDS / 3)
        at_third, cpu = daemon.resident_kib(), process.cpu_seconds(daemon.pid)
        requests = daemon.metric("requests_total")
        time.sleep(SECONDS / 3)
        spent = process.cpu_seconds(daemon.pid) - cpu
        made = daemon.metric("requests_total") - requests
        result = wrk.result()
        say(f"wrk {SECONDS} s, 64 connections: requests a second",
            f"{result.requests / SECONDS:.0f}, clean: {result.clean}")
        say("  CPU of the proxy a request", f"{spent / made * 1e6:.1f} us")
        say("  resident at a third, and at the end",
            f"{at_third} KiB, {daemon.resident_kib()} KiB")

    def test_2_one_of_three_is_killed(self):
        daemon = self.three()
        wrk = self.loaded(daemon, 8)
        self.servers[0].kill()
        say("one of three killed: until it is ejected",
            self.took(daemon, "upstream_endpoints", 1, state="ejected"))
        result = wrk.result()
        say("  what callers saw", f"{result.requests} requests, clean: {result.clean}")

    def test_3_one_of_three_hangs(self):
        daemon = self.three(
            route={"retry": {"retry_on": ["default", "per-try-timeout"]},
                   "timeouts": {"per_try": "300ms"}},
            upstream={"outlier_detection": {"base_ejection_time": "2s"}})
        wrk = self.loaded(daemon, 10)
        self.servers[0].pause()
        say("one of three stopped: until it is ejected",
            self.took(daemon, "upstream_endpoints", 1, state="ejected"))
        self.servers[0].resume()
        say("  continued: until it is healthy again",
            self.took(daemon, "upstream_endpoints", 3, state="healthy"))
        say("  what callers saw", f"clean: {wrk.result().clean}")

    def test_4_all_fail(self):
        daemon = self.three(route={"retry": {}}, upstream={"circuit_breaker": {}})
        wrk = self.wrk(daemon.url(), 15, connections=8)
        daemon.wait_metric("requests_total", lambda count: count > 1000, code="200")
        for server in self.servers:
            server.fail()
        say("all three answer 503: until the breaker is open",
            self.took(daemon, "circuit_breaker_state", 2))
        page = daemon.metrics()
        say("  tries over first tries", "{:.3f}".format(
            page.value("upstream_attempts_total") / page.value("upstream_attempts_total", **{"try": "first"})))
        for server in self.servers:
            server.fail(False)
        say("  recovered: until it is closed", self.took(daemon, "circuit_breaker_state", 0))
        wrk.stop()

    def test_5_shutdown_under_load(self):
        daemon = self.three()
        wrk = self.loaded(daemon, 5)
        began = time.monotonic()
        daemon.terminate()
        say("SIGTERM under load: until exit 0", f"{time.monotonic() - began:.2f} s")
        wrk.stop()

    def test_6_idle(self):
        daemon = self.three()
        self.request(daemon)
        say("resident after the first request", f"{daemon.resident_kib()} KiB")
        clients = [self.client(daemon) for _ in range(2000)]
        daemon.wait_metric("downstream_connections", lambda count: count >= 2000)
        say("  and with 2,000 idle connections", f"{daemon.resident_kib()} KiB")
        for client in clients:
            client.close()

    def test_7_a_long_body(self):
        origin = self.origin(answers())
        daemon = self.proxy(origin)
        size = 512 * 1024 * 1024
        client = self.client(daemon)
        client.send_request("POST", "/", {"Content-Length": str(size)})
        block, most = b"x" * (1 << 20), 0
        began = time.monotonic()
        for _ in range(size // len(block)):
            client.send(block)
            most = max(most, daemon.resident_kib())
        client.read_response()
        say("512 MiB to a slow reader: most resident",
            f"{most} KiB, {size / (1 << 20) / (time.monotonic() - began):.0f} MiB/s")


def main():
    global SECONDS
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of the sustained load")
    SECONDS = parser.parse_args().seconds
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Bench)
    result = unittest.TextTestRunner(verbosity=0, stream=open(os.devnull, "w", encoding="ascii")).run(suite)
    for test, trace in result.errors + result.failures:
        print(test, trace, file=sys.stderr)
    return 1 if result.errors or result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
