"""What outrigger is to reach, as data, and whether it does.

Ratios are taken within a round and the median of those is judged, so that what slows the machine
slows both sides. The better peer is the one of nginx and HAProxy whose median is the lower.
"""

import statistics
from dataclasses import dataclass

import workloads

OURS = "outrigger"
BETTER = "the better of nginx and HAProxy"
MIB = 1 << 20


@dataclass
class Target:
    workload: str
    against: str
    bound: float


@dataclass
class Verdict:
    name: str
    bound: str
    measured: str = ""
    held: bool = None  # None: not judged
    why: str = ""

    @property
    def word(self):
        return {True: "held", False: "MISSED", None: "not judged"}[self.held]


CPU = [Target("W1", "relay", 1.15), Target("W1", BETTER, 0.85), Target("W1", "envoy", 0.40),
       Target("W2", BETTER, 0.80),
       Target("W3", "relay", 1.15), Target("W3", BETTER, 0.90),
       Target("W4", "relay", 1.15), Target("W4", BETTER, 0.80),
       Target("W5", BETTER, 1.00)]
P50_ABOVE_RELAY_US = 10
P99_OVER_NGINX = 1.25
IDLE_RESIDENT = 6 * MIB
BYTES_PER_CONNECTION = 640
FLAT = MIB // 4  # resident, a second load over a first


def values(rounds, peer, key="cpu_us"):
    """Of this peer, one a round; latencies by their quantile."""
    return [sample.latency_us[key] if key.startswith("p") and key[1:2].isdigit() else
            getattr(sample, key) for sample in (each.samples[peer] for each in rounds)]


def median(rounds, peer, key="cpu_us"):
    return statistics.median(values(rounds, peer, key))


def better(rounds, key="cpu_us"):
    there = [peer for peer in ("nginx", "haproxy") if rounds and peer in rounds[0].samples]
    return min(there, key=lambda peer: median(rounds, peer, key)) if there else None


def ratio(rounds, over, ours=OURS, key="cpu_us"):
    """The median of the rounds' ratios."""
    return statistics.median(ours / theirs for ours, theirs in
                             zip(values(rounds, ours, key), values(rounds, over, key)))


def better_half(all_values):
    return statistics.median(sorted(all_values)[:(len(all_values) + 1) // 2])


def judge(results):
    """Verdicts on what was run; `results` holds accepted rounds by workload, and memory."""
    verdicts = []

    def look(workload, name, bound, needs, measure, holds):
        rounds = results.accepted(workload)
        if workload not in results.rounds:
            return
        verdict = Verdict(f"{workload}: {name}", bound)
        verdicts.append(verdict)
        enough = workloads.NOISY_ROUNDS if workloads.ALL[workload].noisy else 1
        absent = [] if not rounds else [
            peer for peer in needs if peer is None or peer not in rounds[0].samples]
        if not rounds or absent:
            verdict.why = "no undisturbed round" if not rounds else "a peer is missing"
            return
        value = measure(rounds)
        verdict.measured = f"{value:.2f}"
        if len(rounds) < enough:
            verdict.why = f"{len(rounds)} accepted rounds, {enough} are needed"
        else:
            verdict.held = holds(value)

    for target in CPU:
        rounds = results.accepted(target.workload)
        over = better(rounds) if target.against == BETTER else target.against
        look(target.workload, f"CPU a request over {target.against}", f"<= {target.bound:.2f}",
             [OURS, over], lambda rounds, over=over: ratio(rounds, over),
             lambda value, bound=target.bound: value <= bound)
    look("L20", "p50 above relay's, us", f"<= {P50_ABOVE_RELAY_US}", [OURS, "relay"],
         lambda rounds: statistics.median(
             ours - relay for ours, relay in zip(values(rounds, OURS, "p50"),
                                                 values(rounds, "relay", "p50"))),
         lambda value: value <= P50_ABOVE_RELAY_US)
    look("L20", "p99 over nginx's, medians of the better halves", f"<= {P99_OVER_NGINX}",
         [OURS, "nginx"],
         lambda rounds: better_half(values(rounds, OURS, "p99")) /
         better_half(values(rounds, "nginx", "p99")),
         lambda value: value <= P99_OVER_NGINX)
    if OURS in results.memory:
        verdicts += judge_memory(results.memory[OURS])
    return verdicts


def judge_memory(memory):
    idle = memory["fresh"]["resident"]
    per_connection = memory["bytes_per_connection"]
    return [Verdict("M: resident when idle, MiB", f"<= {IDLE_RESIDENT / MIB:.0f}",
                    f"{idle / MIB:.2f}", idle <= IDLE_RESIDENT),
            Verdict("M: user memory of an idle connection, B", f"<= {BYTES_PER_CONNECTION}",
                    f"{per_connection:.0f}", per_connection <= BYTES_PER_CONNECTION),
            Verdict("M: grown by a second load, KiB", f"<= {FLAT >> 10}",
                    f"{memory['flat'] / 1024:.0f}", memory["flat"] <= FLAT)]
