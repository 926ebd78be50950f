"""What a request may cost at most, counted: system calls, and instructions in user space.

`gate` is what fails a change: 5 % above what is reached (system calls: 1 %), rounded up. Whoever
makes it cheaper tightens it. `target` is what is to be reached.
"""

from dataclasses import dataclass
from typing import Callable


@dataclass
class Bound:
    name: str
    gate: float
    target: float
    needs: tuple       # of what gates.py can count
    measure: Callable  # of these, in this order
    digits: int = 0


def _of(sample):
    return (sample,), lambda counted: counted


def _above(sample, base):
    return (sample, base), lambda counted, least: counted - least


def _over(sample, base):
    return (sample, base), lambda counted, least: counted / least


def _calls(name, gate, target, sample):
    return Bound(name, gate, target, *_of(sample), digits=3)


BOUNDS = [
    _calls("W1: system calls", 4.10, 4.1, "calls W1"),
    _calls("W4: system calls", 4.10, 4.1, "calls W4"),
    _calls("W5: system calls", 11.25, 10.2, "calls W5"),
    _calls("W1: epoll_ctl", 0, 0, "epoll_ctl W1"),
    _calls("W4: epoll_ctl", 0, 0, "epoll_ctl W4"),
    Bound("W1: instructions", 12_000, 12_000, *_of("W1")),
    Bound("W6: instructions", 17_000, 17_000, *_of("W6")),
    Bound("all policies, above a bare route", 1_500, 1_500, *_above("all policies", "bare")),
    Bound("10,000 routes, above 1", 300, 300, *_above("10,000 routes", "all policies")),
    Bound("1,000 endpoints, above 1", 300, 300, *_above("1,000 endpoints", "1,000 connections")),
    Bound("JSON access log, above none", 1_500, 1_500, *_above("access log", "W1")),
    Bound("two workers, over one", 1.05, 1.05, *_over("two workers", "W1"), digits=3),
]
