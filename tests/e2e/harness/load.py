"""wrk and curl, and what they say."""

import re
import signal
import subprocess
from dataclasses import dataclass

from . import process
from .limits import GUARD


@dataclass
class WrkResult:
    requests: int
    requests_per_second: float
    not_2xx: int
    socket_errors: dict
    text: str

    @property
    def clean(self):
        return self.requests > 0 and self.not_2xx == 0 and not any(self.socket_errors.values())


class Wrk:
    """Load from the moment it is made until `seconds` are over."""

    def __init__(self, url, seconds, connections=64, fields=(), timeout="20s", script=None):
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", timeout]
        for name, value in fields:
            command += ["-H", f"{name}: {value}"]
        if script:
            command += ["-s", script]
        self.seconds = seconds
        self._process = process.start(command + [url], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True)

    def running(self):
        return self._process.poll() is None

    def result(self):
        out, _ = self._process.communicate(timeout=self.seconds + GUARD)
        return self.parse(out)

    def end(self):
        """What it did until now."""
        self._process.send_signal(signal.SIGINT)
        return self.result()

    def stop(self):
        process.kill(self._process)
        self._process.stdout.close()

    @staticmethod
    def parse(text):
        total = re.search(r"(\d+) requests in ", text)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        errors = re.search(r"Socket errors: (.*)", text)
        pairs = re.findall(r"(\w+) (\d+)", errors[1]) if errors else []
        return WrkResult(requests=int(total[1]) if total else 0,
                         requests_per_second=float(rate[1]) if rate else 0.0,
                         not_2xx=int(bad[1]) if bad else 0,
                         socket_errors={name: int(count) for name, count in pairs}, text=text)


def curl(*arguments, timeout=GUARD):
    """(exit status, stdout, stderr) of curl."""
    return process.run(["curl", "-sS", "--max-time", str(int(timeout)), *arguments],
                       timeout=timeout + 5)
