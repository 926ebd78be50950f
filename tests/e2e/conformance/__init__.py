"""The conformance suite: raw exchanges as a table, run against this program and its peers.

table.py says what a case is; the cases stand by subject in the files of SUBJECTS; exchange.py plays
one and judges it; proxies.py starts what is judged; compare.py prints the scores.
"""

import importlib

SUBJECTS = ["request_line", "targets", "hosts", "fields", "request_framing", "chunks", "trailers",
            "expect", "connections", "hop_by_hop", "forwarding", "upgrades", "status_lines",
            "response_framing", "interim", "unruly_upstreams"]


def subjects():
    """(subject, its cases) in order."""
    for name in SUBJECTS:
        yield name, importlib.import_module(f"{__name__}.{name}").CASES
