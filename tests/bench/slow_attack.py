#!/usr/bin/env python3
"""What slow peers cost the others: slowhttptest's modes with 1,000 connections, niced, against wrk.

Quiet and attacked rounds take turns; of each the p99 of the other callers. What is asked for is
attacked <= 2 x quiet + 5 ms in the median of the rounds. Run by ./dev bench-slow.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import Case, process  # noqa: E402

ROUNDS = 5
SECONDS = 4
CONNECTIONS = 1000
RATE = "200"  # connections a second, as in the tool's own examples
MODES = {
    "slow heads (-H)": ["-H", "-i", "2", "-x", "32"],
    "slow bodies (-B)": ["-B", "-i", "2", "-s", "1048576", "-x", "32"],
    "slow readers (-X)": ["-X", "-w", "256", "-y", "512", "-n", "1", "-z", "32"],
    "ranges (-R)": ["-R", "-a", "1", "-b", "2000"],
}
QUIET = "/quiet"
TARGETS = {"readers": "/file/large", "bodies": "/upload/"}
# Waits for the whole body.
UPLOAD = "location /upload/ { proxy_pass http://127.0.0.1:$server_port/; }"


def milliseconds(text):
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


class Bench(Case):
    def p99(self, daemon):
        out = subprocess.run(["wrk", "-t1", "-c8", f"-d{SECONDS}s", "--latency",
                              daemon.url(QUIET)], capture_output=True, text=True, check=True).stdout
        if re.search(r"Non-2xx|Socket errors", out):
            print(out)
        return milliseconds(out)

    def attack(self, daemon, mode):
        """Until stopped; returns when most of its connections are there."""
        target = daemon.url(next((path for word, path in TARGETS.items() if word in mode), "/"))
        attacker = process.start(["nice", "-n", "19", "slowhttptest", "-c", str(CONNECTIONS), "-r",
                                  RATE, "-l", "600", "-p", "5", "-u", target,
                                  *MODES[mode]], stdout=subprocess.DEVNULL)
        if mode.startswith("ranges"):
            daemon.wait_metric("requests_total", lambda count: count > CONNECTIONS / 2)
        else:
            daemon.wait_metric("downstream_connections", lambda count: count > 0.8 * CONNECTIONS)
        return attacker

    def test_each_mode(self):
        # The attacked upstream is not the one that the others ask: it would be what is measured.
        attacked_server = self.nginx("attacked", server=UPLOAD)
        attacked_server.add_file("large", b"x" * (8 << 20))
        config = self.config(self.nginx("quiet"), route={"match": {"path": QUIET}})
        config["upstreams"]["attacked"] = {"endpoints": [attacked_server.address]}
        config["listeners"][0]["routes"].append({"name": "attacked", "upstream": "attacked"})
        print(f"{'':<20} {'quiet p99':>10} {'attacked':>10} {'bound':>10}  "
              f"(ms; medians of {ROUNDS} rounds, {CONNECTIONS} connections)")
        for mode in MODES:
            quiet, attacked = [], []
            daemon = self.start(config)
            for _ in range(ROUNDS):
                quiet.append(self.p99(daemon))
                attacker = self.attack(daemon, mode)
                attacked.append(self.p99(daemon))
                process.kill(attacker)
                daemon.wait_metric("downstream_connections", 0)
            bound = statistics.median(2 * each + 5 for each in quiet)
            held = "" if statistics.median(attacked) <= bound else "  ABOVE THE BOUND"
            print(f"{mode:<20} {statistics.median(quiet):>10.2f} "
                  f"{statistics.median(attacked):>10.2f} {bound:>10.2f}{held}", flush=True)
            print(f"{'':<20} resident {daemon.resident_kib()} KiB, overflow "
                  f"{daemon.metric('overflow_total', upstream=''):.0f}, "
                  f"timeouts {daemon.metric('timeouts_total'):.0f}")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    unittest.main(argv=sys.argv[:1])
