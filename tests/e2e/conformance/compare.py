#!/usr/bin/env python3
"""The conformance suite against this program and Debian's nginx and HAProxy, side by side.

    compare.py [-v] [-k WORD]

-v tells of each case that one of them does not pass what it did. Exit status 1 where it is ours.
"""

import argparse
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from conformance import proxies, subjects  # noqa: E402  (needs the path above)
from conformance.exchange import Upstream, play_all  # noqa: E402
from harness import Outrigger  # noqa: E402

LANES = 8
PATIENCE = 3.0    # seconds until a caller that waits in vain is told so
NAMES = ("outrigger", "nginx", "HAProxy")


def verdicts_of(name, cases, directory):
    if name == "outrigger":
        upstreams = [Upstream() for _ in range(LANES)]
        daemon = Outrigger(proxies.outrigger_config(upstreams), directory)
        try:
            return play_all(cases, proxies.outrigger_lanes(upstreams, daemon), PATIENCE)
        finally:
            daemon.kill()
    make = {"nginx": proxies.Nginx, "HAProxy": proxies.Haproxy}[name]
    peer = make(os.path.join(directory, name), LANES)
    try:
        return play_all(cases, peer.lanes, PATIENCE)
    finally:
        peer.stop()


def row(label, verdict_lists, passed):
    relevant = [[v for v in verdicts if passed(v) is not None] for verdicts in verdict_lists]
    if relevant[0]:
        scores = [sum(passed(v) for v in verdicts) for verdicts in relevant]
        print(f"{label:<20}{len(relevant[0]):>6}" + "".join(f"{score:>11}" for score in scores))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", action="store_true", help="what each did where it does not pass")
    parser.add_argument("-k", default="", metavar="WORD", help="only cases whose name holds it")
    options = parser.parse_args()
    table = [(subject, case) for subject, cases in subjects() for case in cases
             if options.k in case.name]
    cases = [case for _, case in table]
    with tempfile.TemporaryDirectory(prefix="outrigger-conformance-") as directory:
        verdicts = {name: verdicts_of(name, cases, directory) for name in NAMES}

    if options.v:
        for name in NAMES:
            for verdict in verdicts[name]:
                if not verdict.conforms or verdict.ours is False:
                    word = "policy only: " if verdict.conforms else ""
                    print(f"{name}: {word}{verdict}\n")
    print(f"{'subject':<20}{'cases':>6}" + "".join(f"{name:>11}" for name in NAMES))
    for subject, _ in subjects():
        of_subject = [[v for (s, _), v in zip(table, verdicts[name]) if s == subject]
                      for name in NAMES]
        row(subject.replace("_", " "), of_subject, lambda v: v.conforms)
    every = [verdicts[name] for name in NAMES]
    row("all, by the RFCs", every, lambda v: v.conforms)
    row("our policy, apart", every, lambda v: v.ours)
    ours = verdicts["outrigger"]
    return 0 if all(v.conforms and v.ours is not False for v in ours) else 1


if __name__ == "__main__":
    sys.exit(main())
