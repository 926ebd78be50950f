#!/usr/bin/env python3
"""Runs the program through what it does all day, so that a build that writes a profile has one.

Which ways are taken counts, not how fast: fixed numbers of requests, of the benchmark's workloads,
with all policies and with the default ones. Most have the heads of real callers (W6) and go to a
cluster as sidecars see them: what is laid out for heads of one field copies the others slowly, and
for one endpoint chooses slowly among three. Run by ./dev train.
"""

import contextlib
import tempfile

from gates import ALL, DEFAULT, Case, Subject

CASES = [Case(name, requests=requests, endpoints=endpoints, upstream_connections=64 * endpoints,
              config=config)
         for config in (ALL, DEFAULT)
         for name, requests, endpoints in (("W1", 5000, 1), ("W6", 30_000, 3), ("W4", 3000, 1),
                                           ("W3", 3000, 1), ("W5", 3000, 1))]
CASES += [Case(routes=100, requests=3000, config=ALL),
          Case(endpoints=20, connections=8, upstream_connections=40, requests=3000, config=ALL)]


def main():
    with tempfile.TemporaryDirectory(prefix="outrigger-train-") as directory:
        for case in CASES:
            with contextlib.ExitStack() as stack:
                subject = Subject(case, stack, directory)
                subject.load.go()
                if subject.daemon.terminate() != 0:  # its end writes the profile
                    raise SystemExit(subject.daemon.log())


if __name__ == "__main__":
    main()
