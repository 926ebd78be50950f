"""One measurement: a backend, a proxy, the load generator; CPU before and after, at rest.

The load generator warms up, waits until all is answered, and begins at a word; after the last
answer it keeps its connections until the CPU has been read. So what is counted is what exactly
these requests cost, with no tick and no half request at either end.
"""

import contextlib
import json
import statistics
import subprocess
import time
from dataclasses import asdict, dataclass, field

import machine
import peers
from harness import process

# Of a core: more, and the round is done again.
DISTURBED = 0.15  # for other processes (some of it is the kernel, for ours)
STOLEN = 0.30     # for the hypervisor, which nobody here can quiet, and which CPU time does not hold


class Wrong(Exception):
    """Responses that were not the right ones, or none."""


@dataclass
class Sample:
    cpu_us: float        # of the proxy, a request
    per_second: float
    requests: int
    latency_us: dict
    others: float        # CPU of other processes, cores
    stolen: float = 0    # and of the hypervisor's other guests
    most_stolen: float = STOLEN  # that this may have had; latency suffers where CPU time does not
    late: int = 0        # open loop: requests sent over 1 ms after their time
    unsent: int = 0

    @property
    def disturbed(self):
        return self.others > DISTURBED or self.stolen > self.most_stolen

    @classmethod
    def of_turns(cls, turns):
        """One of several of the same proxy, of equal length: what all their requests cost, and of a
        quantile of latency the median of the turns'."""
        requests = sum(each.requests for each in turns)
        return cls(
            cpu_us=sum(each.cpu_us * each.requests for each in turns) / requests,
            per_second=statistics.mean(each.per_second for each in turns),
            requests=requests,
            latency_us={key: statistics.median(each.latency_us[key] for each in turns)
                        for key in turns[0].latency_us},
            others=statistics.mean(each.others for each in turns),
            stolen=statistics.mean(each.stolen for each in turns),
            most_stolen=turns[0].most_stolen, late=sum(each.late for each in turns),
            unsent=sum(each.unsent for each in turns))


@dataclass
class Round:
    """A sample of each peer, in turns right after one another."""
    samples: dict = field(default_factory=dict)

    @property
    def accepted(self):
        return not self.disturbed

    @property
    def disturbed(self):
        """The peers beside whom others had too much."""
        return [name for name, sample in self.samples.items() if sample.disturbed]

    def to_json(self):
        return {"accepted": self.accepted,
                "samples": {name: asdict(sample) for name, sample in self.samples.items()}}


class Backend:
    def __init__(self, cores, endpoints=1):
        words = ["taskset", "-c", ",".join(map(str, cores.backend)), peers.tool("backend"),
                 endpoints]
        self._process = process.start(words, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self.ports = [int(port) for port in self._process.stdout.readline().split()]
        if len(self.ports) != endpoints:
            raise RuntimeError("the backend did not start")

    def stop(self):
        process.kill(self._process)
        self._process.stdout.close()


class Load:
    """Warm when made; go() is the measured part, as often as it is asked for; its connections stay
    until it is closed."""

    def __init__(self, cores, port, words):
        command = ["taskset", "-c", ",".join(map(str, cores.load)), peers.tool("load"),
                   "--port", port, "--wait", *words]
        self._process = process.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True)
        self.pid = self._process.pid
        self._read()

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the load generator ended with {self._process.wait()}")
        return line

    def go(self):
        self.begin()
        return self.end()

    def begin(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self):
        report = json.loads(self._read())
        if report["wrong"] or report["errors"]:
            raise Wrong(f"{report['wrong']} wrong responses ({report['first_wrong']}), "
                        f"{report['errors']} lost, {report['requests']} right")
        return report

    def close(self):
        process.kill(self._process)
        self._process.stdin.close()
        self._process.stdout.close()


@dataclass
class Bench:
    """Proxies that stand side by side before one backend, and the means to ask one of them."""
    cores: machine.Cores
    backend: Backend
    proxies: dict

    @classmethod
    @contextlib.contextmanager
    def of(cls, cores, names, setup_of, endpoints, directory):
        with contextlib.ExitStack() as stack:
            backend = Backend(cores, endpoints)
            stack.callback(backend.stop)
            setup = setup_of(backend.ports)
            proxies = {}
            for name in names:
                proxies[name] = peers.ALL[name](setup, directory, cores.proxy)
                stack.callback(proxies[name].stop)
            yield cls(cores, backend, proxies)

    def load(self, proxy, words):
        return contextlib.closing(Load(self.cores, proxy.port, words))

    def sample(self, proxy, load, by_latency=False):
        """One turn of this proxy."""
        ours = [pid for each in self.proxies.values() for pid in each.pids]
        others = machine.Disturbance([*ours, self.backend.pid, load.pid], self.cores.all)
        before = machine.cpu_seconds(proxy.pids)
        report = load.go()
        cpu = machine.cpu_seconds(proxy.pids) - before
        by_others, stolen = others.seen()
        return Sample(cpu_us=cpu / report["requests"] * 1e6, per_second=report["per_second"],
                      requests=report["requests"], latency_us=report["latency_us"],
                      others=by_others, stolen=stolen,
                      most_stolen=DISTURBED if by_latency else STOLEN, late=report["late"],
                      unsent=report["asked"] - report["requests"])


def memory(bench, proxy, words, seconds, connections):
    """Bytes: fresh, after each of two loads, with so many idle connections that each had a request."""
    sizes = {"fresh": machine.resident_and_own(proxy.pids)}
    for name in ("loaded", "loaded_again"):
        with bench.load(proxy, [*words, "--seconds", seconds]) as load:
            load.go()
        sizes[name] = _settled(proxy)
    idle = ["--connections", connections, "--in-flight", 16, "--requests", connections]
    with bench.load(proxy, [*words, *idle]) as load:
        load.go()
        sizes["idle"] = _settled(proxy)
    result = {name: {"resident": resident, "own": own} for name, (resident, own) in sizes.items()}
    grown = result["idle"]["own"] - result["loaded_again"]["own"]
    return {**result, "bytes_per_connection": grown / connections,
            "grown_by_load": result["loaded_again"]["resident"] - result["loaded"]["resident"]}


def _settled(proxy):
    time.sleep(0.5)  # for it to see its callers gone
    return machine.resident_and_own(proxy.pids)
