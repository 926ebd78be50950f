"""The machine: its cores and who has them, what a process used of them, and its description."""

import os
import platform
import re
import subprocess
import time
from dataclasses import dataclass

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Cores:
    """The proxy has one to itself, all else the others."""
    proxy: int
    backend: list
    load: list

    @property
    def all(self):
        return {self.proxy, *self.backend, *self.load}

    @classmethod
    def of_this_machine(cls):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise RuntimeError("two cores are needed: one for the proxy, one for all else")
        return cls(cores[0], cores[-1:], cores[1:-1] or cores[-1:])


def cpu_seconds(pids):
    """What all threads of these used, by the scheduler's own count: to the nanosecond, where the
    utime and stime of /proc/PID/stat are in hundredths of a second. Exact for one that sleeps."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
            except FileNotFoundError:
                pass  # a thread that has just ended
    return total / 1e9


def resident_and_own(pids):
    """Bytes in memory, and of them those that no other process shares."""
    resident = own = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.MULTILINE))
        resident += int(sizes["Rss"])
        own += int(sizes["Private_Clean"]) + int(sizes["Private_Dirty"])
    return resident * 1024, own * 1024


class Disturbance:
    """How much CPU of these cores others had, between its making and seen(): other processes (all
    that was not idle, less what `pids` and this process used), and apart from them the hypervisor,
    which a process's own CPU time does not hold."""

    def __init__(self, pids, cores):
        self._pids = [*pids, os.getpid()]
        self._names = {f"cpu{core}" for core in cores}
        self._began = self._sample()

    def _sample(self):
        # Time not idle, rather than user + system: the kernel has idle times exactly and the
        # rest by what a tick happens to meet.
        idle = stolen = 0
        with open("/proc/stat", encoding="ascii") as file:
            for line in file:
                name, *fields = line.split()
                if name in self._names:
                    idle += int(fields[3]) + int(fields[4])
                    stolen += int(fields[7])
        return time.monotonic(), idle / _TICK, stolen / _TICK, cpu_seconds(self._pids)

    def seen(self):
        """Seconds of CPU a second: other processes', and the hypervisor's."""
        took, idle, stolen, ours = (now - then for now, then in zip(self._sample(), self._began))
        return max(0.0, (took * len(self._names) - idle - stolen - ours) / took), stolen / took


def description(versions):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.MULTILINE)
    revision = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"],
                              cwd=os.path.dirname(os.path.abspath(__file__)),
                              capture_output=True, text=True, check=False).stdout.strip()
    return {"cpu": model[1] if model else platform.machine(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
            "kernel": platform.release(),
            "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "revision": revision,
            "versions": versions}
