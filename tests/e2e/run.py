#!/usr/bin/env python3
"""Runs the end-to-end tests: each test class in a process of its own, several at a time.

    run.py [-v] [-j N] [-k WORD]… [FILE | FILE.Class | FILE.Class.test]…

Shown are the tests that fail, with all that is known; -v shows each. What failed beside others
runs once more alone: where it passes then, it is told as unsteady, for the machine may have been
too busy for its times, and does not fail the run.

OUTRIGGER_BIN         the program (default build/dev/outrigger)
OUTRIGGER_SANITIZED=1 it has sanitizers: memory and syscall figures are not asserted
OUTRIGGER_E2E_LONG=1  the long variants too
"""

import argparse
import concurrent.futures
import faulthandler
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from harness import BINARY, LONG, process  # noqa: E402  (needs the path above)

TEST_LIMIT = 300   # seconds until a hanging test is shown with its stacks and ended
LONG_LIMIT = 1800  # where OUTRIGGER_E2E_LONG is set
AGAIN_LIMIT = 5    # failed tests; more are not run again
# Those that take longest begin first.
FIRST = ["test_real", "test_life", "test_policies"]


class Report(unittest.TestResult):
    """One line a test, and for a failed one all that is known."""

    def __init__(self):
        super().__init__()
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.failed_names = []
        self._began = 0.0
        self._bad = False

    def startTest(self, test):
        super().startTest(test)
        faulthandler.dump_traceback_later(LONG_LIMIT if LONG else TEST_LIMIT, exit=True)
        self._began = time.monotonic()
        self._bad = False
        self._skipped = None

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        word = "failed" if self._bad else "skipped" if self._skipped else "passed"
        self.counts[word] += 1
        if word == "failed":
            self.failed_names.append(test.id())
        shown = {"passed": "ok    ", "failed": "FAILED", "skipped": "skip  "}[word]
        why = f": {self._skipped}" if word == "skipped" else ""
        print(f"{shown} {test.id()} ({time.monotonic() - self._began:.2f} s){why}", flush=True)
        super().stopTest(test)

    def _failure(self, test, error):
        self._bad = True
        # Of a subtest: its parameters, and the daemons of the test around it.
        print(f"--- {test}", "".join(traceback.format_exception(*error)), sep="\n")
        around = getattr(test, "test_case", test)
        if hasattr(around, "explain"):
            print(around.explain(), flush=True)

    def addError(self, test, err):
        if isinstance(test, unittest.TestCase):
            return self._failure(test, err)
        self._bad = True  # setUpClass and the like
        self.counts["failed"] += 1
        self.failed_names.append(str(test))
        print(f"--- {test}", "".join(traceback.format_exception(*err)), sep="\n", flush=True)

    def addFailure(self, test, err):
        self._failure(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._failure(subtest, err)

    def addSkip(self, test, reason):
        self._skipped = reason


def tests_of(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from tests_of(each)
        else:
            yield each


def load(names, words):
    """Tests by class, those first that take longest."""
    loader = unittest.TestLoader()
    if names:
        cleaned = [name.removesuffix(".py").split("/")[-1] if ".py" in name else name
                   for name in names]
        suite = loader.loadTestsFromNames(cleaned)
    else:
        suite = loader.discover(HERE, pattern="test_*.py", top_level_dir=HERE)
    if loader.errors:
        sys.exit("\n".join(loader.errors))
    classes = {}
    for test in tests_of(suite):
        if not words or any(word in test.id() for word in words):
            classes.setdefault(test.id().rsplit(".", 1)[0], []).append(test.id())

    def rank(name):
        file = name.split(".")[0]
        return FIRST.index(file) if file in FIRST else len(FIRST)
    return sorted(classes.items(), key=lambda item: rank(item[0]))


def run_child(ids, result_file):
    report = Report()
    unittest.TestLoader().loadTestsFromNames(ids).run(report)
    with open(result_file, "w", encoding="utf-8") as file:
        json.dump({**report.counts, "names": report.failed_names}, file)


def run_class(name, ids, printing, verbose):
    with tempfile.NamedTemporaryFile(prefix="outrigger-e2e-", mode="r", encoding="utf-8") as result:
        command = [sys.executable, os.path.abspath(__file__), "--child", result.name, *ids]
        child = process.start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        try:
            out, _ = child.communicate()
        finally:
            process.kill(child)
        if not verbose:
            out = "".join(line for line in out.splitlines(keepends=True)
                          if not line.startswith(("ok     ", "skip   ")))
        with printing:
            print(out, end="", flush=True)
        try:
            return json.load(result)
        except ValueError:
            with printing:
                print(f"FAILED {name}: its process ended with {child.returncode}", flush=True)
            return {"passed": 0, "failed": 1, "skipped": 0, "names": [name]}


def run_again(failed_names, total, pool, printing):
    """Runs the failed tests once more, one at a time; those that pass move over in `total`."""
    unsteady = []
    if len(failed_names) > AGAIN_LIMIT:
        return unsteady  # no noise does that
    for name in failed_names:
        if name.count(".") != 2:
            continue  # a whole class, or its set-up
        counts = pool.submit(run_class, name, [name], printing, True).result()
        if counts["passed"] == 1:
            unsteady.append(name)
            total["failed"] -= 1
            total["passed"] += 1
    return unsteady


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", action="store_true", help="a line for each test")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="processes at a time")
    parser.add_argument("-k", action="append", default=[], metavar="WORD",
                        help="only tests whose name holds it")
    parser.add_argument("--child", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.child:
        return run_child(options.names, options.child)

    began = time.monotonic()
    if not os.access(BINARY, os.X_OK) and options.names != ["test_harness"]:
        sys.exit(f"there is no {BINARY}: build it, or set OUTRIGGER_BIN")
    classes = load(options.names, options.k)
    printing = threading.Lock()
    total = {"passed": 0, "failed": 0, "skipped": 0}
    failed_names = []
    # A child dies with the thread that made it, so the pool's threads live until all are done.
    with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        for counts in pool.map(lambda item: run_class(*item, printing, options.v), classes):
            failed_names += counts.pop("names")
            for word, count in counts.items():
                total[word] += count
        unsteady = run_again(failed_names, total, pool, printing)
    for name in unsteady:
        print(f"unsteady: {name}")
    for name in failed_names:
        if name not in unsteady:
            print(f"failed: {name}")
    print(f"end-to-end tests took {time.monotonic() - began:.0f} s")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped, "
          f"{len(unsteady)} unsteady")
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
