"""What is asked of the proxies, as data."""

from dataclasses import dataclass, field

USUAL_ROUNDS = 15
CLOSE_ROUNDS = 31  # where a median of 15 would be off by as much as is left to a target
SCALE_ROUNDS = 5
LEAST_NOISY_ROUNDS = 9  # for a verdict
SCALED = ["outrigger", "outrigger-bare", "nginx", "haproxy", "envoy"]  # a relay has no routes


@dataclass
class Workload:
    name: str
    title: str
    connections: int = 64
    response: int = 128
    body: int = 0
    options: list = field(default_factory=list)
    rate: int = 0
    routes: int = 1
    endpoints: int = 1
    rounds: int = USUAL_ROUNDS
    noisy: bool = False
    peers: list = None  # only these

    def load(self, setup):
        """The words of the load generator."""
        words = ["--connections", self.connections, *self.options]
        if self.body:
            words += ["--path", setup.path(0), "--body", self.body, "--expect", 128]
        else:
            words += ["--path", setup.path(self.response), "--expect", self.response]
        return words + (["--rate", self.rate] if self.rate else [])


def _scale(kind, count):
    title = f"W1 with {count:,} {kind if count > 1 else kind[:-1]}"
    return Workload(f"S-{kind}-{count}", title, rounds=SCALE_ROUNDS,
                    peers=SCALED, **{kind: count})


ALL = {each.name: each for each in (
    Workload("W1", "GET 128 B, 64 connections", rounds=CLOSE_ROUNDS),
    Workload("W2", "GET 128 B, 1,000 connections", connections=1000, noisy=True),
    Workload("W3", "GET 64 KiB", response=65536, rounds=CLOSE_ROUNDS),
    Workload("W4", "POST 16 KiB", body=16384, rounds=CLOSE_ROUNDS),
    Workload("W5", "a connection for each request", options=["--close"], noisy=True),
    Workload("W6", "13 header fields", options=["--headers"]),
    Workload("L20", "20,000 requests a second", rate=20000, noisy=True),
    _scale("routes", 1), _scale("routes", 100), _scale("routes", 10_000),
    _scale("endpoints", 100), _scale("endpoints", 1000))}
MEMORY = "M"
NAMES = [*(name for name in ALL if name[0] != "S"), MEMORY, "S"]
IDLE_CONNECTIONS = 5000
