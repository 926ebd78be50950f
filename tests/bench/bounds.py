"""What a request may cost at most, counted: system calls, heap allocations, and instructions in
user space.

`gate` is what fails a change: 5 % above what is reached (system calls: 1 %), or the target where
that is reached by more than a training's chance. Whoever makes a request cheaper tightens it.
`target` is what is to be reached.
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


def _calls(name, gate, target, kind="calls"):
    return Bound(f"{name}: {'system calls' if kind == 'calls' else kind}", gate, target,
                 ((kind, name),), lambda counted: counted, digits=3)


def _no_allocations(name):
    return Bound(f"{name}: heap allocations in 4,000 requests", 0, 0, (("allocations", name),),
                 lambda counted: counted)


def _instructions(name, gate, target, case, base=None, measure=None, digits=0):
    needs = (("instructions", case),)
    if base is None:
        return Bound(name, gate, target, needs, lambda counted: counted)
    return Bound(name, gate, target, (*needs, ("instructions", base)), measure, digits)


def _above(name, gate, target, case, base):
    return _instructions(f"{name}, above {base}", gate, target, case, base,
                         lambda counted, least: counted - least)


BOUNDS = [
    _calls("W1", 4.10, 4.1),
    _calls("W4", 4.10, 4.1),
    _calls("W5", 9.2, 10.2),
    _calls("W1", 0, 0, "epoll_ctl"),
    _calls("W4", 0, 0, "epoll_ctl"),
    _no_allocations("W1"), _no_allocations("W4"), _no_allocations("W6"),
    _instructions("W1: instructions", 11_850, 12_000, "W1"),
    _instructions("W6: instructions", 17_000, 17_000, "W6"),
    _above("all policies", 700, 1_500, "all policies", "a bare route"),
    _above("10,000 routes", 300, 300, "10,000 routes", "all policies"),
    _above("1,000 endpoints", 300, 300, "1,000 endpoints", "one with 1,000 connections"),
    _above("JSON access log", 1_500, 1_500, "JSON access log", "W1"),
    _instructions("two workers, over one", 1.05, 1.05, "two workers", "W1",
                  lambda counted, least: counted / least, digits=3),
]
