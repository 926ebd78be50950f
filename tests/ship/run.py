#!/usr/bin/env python3
"""Runs the tests of what ships, each by the real tool: run.py [--quick] [-v] [FILE.Class.test]…

--quick leaves out what is marked @slow: images, pods, packages. What fails runs once more by itself:
where it passes then, it is told as unsteady, for the machine may have been too busy for its times.
Tools come from Debian's packages (./dev test-ship installs them) and, where Debian has none, from the
npm registry into build/ship.

OUTRIGGER_BIN   the program (default build/release/outrigger)
"""

import argparse
import os
import pathlib
import sys
import time
import unittest

AGAIN_LIMIT = 3  # failed tests, that once more alone may show to be unsteady; more are not run again
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
os.environ.setdefault("OUTRIGGER_BIN", str(ROOT / "build/release/outrigger"))
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without the slow ones")
    parser.add_argument("-v", action="store_true", help="a line for each test")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.quick:
        os.environ["OUTRIGGER_SHIP_QUICK"] = "1"
    began = time.monotonic()
    loader = unittest.TestLoader()
    names = [name.removesuffix(".py").split("/")[-1] for name in options.names]
    suite = (loader.loadTestsFromNames(names) if names else
             loader.discover(str(HERE), pattern="test_*.py", top_level_dir=str(HERE)))
    runner = unittest.TextTestRunner(verbosity=2 if options.v else 1)
    result = runner.run(suite)
    ran = result.testsRun - len(result.skipped)
    failed = [test.id() for test, _ in result.failures + result.errors]
    unsteady = []
    if len(failed) <= AGAIN_LIMIT and all(name.count(".") == 2 for name in failed):
        unsteady = [name for name in failed
                    if runner.run(loader.loadTestsFromNames([name])).wasSuccessful()]
        for name in unsteady:
            print(f"unsteady: {name}")
    print(f"the {'quick half of the ' if options.quick else ''}tests of what ships took "
          f"{time.monotonic() - began:.0f} s: {ran} run, {len(result.skipped)} left out")
    return 0 if ran and failed == unsteady else 1


if __name__ == "__main__":
    sys.exit(main())
