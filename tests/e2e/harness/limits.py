"""How long anything may take, and what kind of run this is.

No test measures time with these: GUARD only ends a wait for something that never comes.
"""

import os
import time

SANITIZED = os.environ.get("OUTRIGGER_SANITIZED", "") not in ("", "0")
LONG = os.environ.get("OUTRIGGER_E2E_LONG", "") not in ("", "0")
WORKERS = int(os.environ.get("OUTRIGGER_E2E_WORKERS") or 1)  # where a test names none
GUARD = 60.0 if SANITIZED else 30.0
POLL = 0.01


def eventually(condition, what="the condition", within=GUARD):
    """The first true value of condition(), which is asked again and again."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about within {within:g} s")
        time.sleep(POLL)
