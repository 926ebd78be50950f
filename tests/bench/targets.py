"""What outrigger is to reach, as data, and whether it does.

Ratios are taken within a round and the median of those is judged, so that what slows the machine
slows both sides. The better peer is the one of nginx and HAProxy whose median is the lower. What is
counted in instructions rather than in time is not judged here.
"""

import statistics
from dataclasses import dataclass
from typing import Callable

import workloads

OURS = "outrigger"
BETTER = ("nginx", "haproxy")
MIB = 1 << 20


def values(rounds, peer, key="cpu_us"):
    """Of this peer, one a round: a field of its sample, or a quantile of its latency."""
    samples = [each.samples[peer] for each in rounds]
    return [getattr(sample, key) if hasattr(sample, key) else sample.latency_us[key]
            for sample in samples]


def median(rounds, peer, key="cpu_us"):
    return statistics.median(values(rounds, peer, key))


def better(rounds):
    """The one of nginx and HAProxy that uses less CPU; nothing where none took part."""
    there = [peer for peer in BETTER if rounds and peer in rounds[0].samples]
    return min(there, key=lambda peer: median(rounds, peer), default=None)


def ratio(rounds, over, ours=OURS, key="cpu_us"):
    """The median of the rounds' ratios."""
    return statistics.median(mine / theirs for mine, theirs in
                             zip(values(rounds, ours, key), values(rounds, over, key)))


def median_above(rounds, over, key):
    """The median of the rounds' differences."""
    return statistics.median(mine - theirs for mine, theirs in
                             zip(values(rounds, OURS, key), values(rounds, over, key)))


def better_half(rounds, peer, key):
    """The median of the lower half of the rounds, the middle one included."""
    ordered = sorted(values(rounds, peer, key))
    return statistics.median(ordered[:(len(ordered) + 1) // 2])


@dataclass
class Target:
    workload: str
    name: str
    bound: float
    needs: tuple  # of peers
    measure: Callable


def _cpu(workload, over, bound):
    if over is BETTER:
        return Target(workload, "CPU a request / the better of nginx and HAProxy", bound, BETTER,
                      lambda rounds: ratio(rounds, better(rounds)))
    return Target(workload, f"CPU a request / {over}", bound, (over,),
                  lambda rounds: ratio(rounds, over))


TARGETS = [
    _cpu("W1", "relay", 1.15), _cpu("W1", BETTER, 0.85), _cpu("W1", "envoy", 0.40),
    _cpu("W2", BETTER, 0.80),
    _cpu("W3", "relay", 1.15), _cpu("W3", BETTER, 0.90),
    _cpu("W4", "relay", 1.15), _cpu("W4", BETTER, 0.80),
    _cpu("W5", BETTER, 1.00),
    Target("L20", "p50 above relay's, µs", 10, ("relay",),
           lambda rounds: median_above(rounds, "relay", "p50")),
    Target("L20", "p99 / nginx's, in the better half of the rounds", 1.25, ("nginx",),
           lambda rounds: (better_half(rounds, OURS, "p99") /
                           better_half(rounds, "nginx", "p99")))]

# Of one proxy's sizes, as measure.memory() has them.
MEMORY_TARGETS = [
    ("resident when idle, MiB", 6, lambda sizes: sizes["fresh"]["resident"] / MIB),
    ("user memory of an idle caller, B", 640, lambda sizes: sizes["bytes_per_connection"]),
    ("grown by a second load, MiB", 0.25, lambda sizes: sizes["grown_by_load"] / MIB)]


@dataclass
class Verdict:
    workload: str
    name: str
    bound: float
    measured: float = None
    held: bool = None  # None: not judged, and why
    why: str = ""

    @property
    def word(self):
        return {True: "held", False: "MISSED", None: "not judged"}[self.held]


def judge(results):
    """Of each target whose workload was run."""
    verdicts = [_judge(target, results.accepted(target.workload))
                for target in TARGETS if target.workload in results.rounds]
    if OURS in results.memory:
        for name, bound, measure in MEMORY_TARGETS:
            value = measure(results.memory[OURS])
            verdicts.append(Verdict(workloads.MEMORY, name, bound, value, value <= bound))
    return verdicts


def _judge(target, rounds):
    verdict = Verdict(target.workload, target.name, target.bound)
    needed = workloads.LEAST_NOISY_ROUNDS if workloads.ALL[target.workload].noisy else 1
    if rounds and not {OURS, *target.needs} <= rounds[0].samples.keys():
        verdict.why = "a proxy it speaks of took no part"
        return verdict
    if rounds:
        verdict.measured = target.measure(rounds)
    if len(rounds) >= needed:
        verdict.held = verdict.measured <= target.bound
    else:
        verdict.why = f"{len(rounds)} undisturbed rounds, {needed} are needed"
    return verdict
