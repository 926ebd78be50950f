"""What the tests of what ships share."""

import os
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ["OUTRIGGER_BIN"]
BUILD = ROOT / "build/ship"  # tools and what they make; kept from run to run
QUICK = bool(os.environ.get("OUTRIGGER_SHIP_QUICK"))

slow = unittest.skipIf(QUICK, "not in the quick half")


def run(*words, timeout=600, **options):
    """A command to its end: its stdout. Raises with all that it said where its status is not 0."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=timeout, check=False, **options)
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}: exit status {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
    return done.stdout
