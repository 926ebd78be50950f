"""The program under test, as a process with a configuration of its own."""

import json
import os
import signal
import subprocess
import tempfile

from . import process
from .limits import GUARD, WORKERS, eventually
from .metrics import Metrics
from .ports import free_address
from .wire import Client

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
BINARY = os.path.abspath(os.environ.get("OUTRIGGER_BIN") or
                         os.path.join(_ROOT, "build", "dev", "outrigger"))
ROOT = _ROOT
SANITIZER_STATUS = 99


def environment(**more):
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", f"exitcode={SANITIZER_STATUS}")
    env.setdefault("TSAN_OPTIONS", f"exitcode={SANITIZER_STATUS}")
    env.setdefault("UBSAN_OPTIONS",
                   f"halt_on_error=1:print_stacktrace=1:exitcode={SANITIZER_STATUS}")
    env.update(more)
    return env


def run_binary(*arguments, env=None, cwd=None, timeout=GUARD):
    """The program to its end; (exit status, stdout, stderr)."""
    return process.run([BINARY, *arguments], timeout=timeout, env=environment(**(env or {})),
                       cwd=cwd)


class Outrigger:
    """`outrigger run -c FILE`, ready when made.

    `config` is a dict (written as JSON, which is YAML) or a text. A dict's listeners and admin
    get free ports where they name no address. `under`: a command that executes it. `arguments`
    of `run` come after the file.
    """

    def __init__(self, config, directory, env=None, wait_ready=True, file_name="outrigger.yaml",
                 under=(), directory_mode=0o700, stdout=subprocess.DEVNULL, arguments=()):
        self.directory = tempfile.mkdtemp(dir=directory)
        os.chmod(self.directory, directory_mode)
        self.file = os.path.join(self.directory, file_name)
        self.addresses = {}     # of the listeners, by name
        self.admin_address = None
        self.write_config(config)
        self.log_file = os.path.join(self.directory, "stderr")
        with open(self.log_file, "wb") as err:
            self.process = process.start([*under, BINARY, "run", "-c", self.file, *arguments],
                                         stdout=stdout, stderr=err,
                                         env=environment(**(env or {})))
        if wait_ready:
            self.wait_ready()

    # --- its configuration ---

    def write_config(self, config):
        if isinstance(config, dict):
            config = self._with_addresses(config)
            text = json.dumps(config, indent=1)
        else:
            text = config
        replacement = self.file + ".new"
        with open(replacement, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(replacement, self.file)

    def _with_addresses(self, config):
        config = {"workers": WORKERS, **config}
        if config.get("admin") != "off":
            admin = dict(config.get("admin") or {})
            admin.setdefault("address", self.admin_address or free_address())
            self.admin_address = admin["address"]
            config["admin"] = admin
        listeners = []
        for index, listener in enumerate(config.get("listeners", [])):
            name = listener.get("name", f"listener-{index}")
            known = self.addresses.get(name)
            listener = {"address": known or free_address(), **listener}
            self.addresses[name] = listener["address"]
            listeners.append(listener)
        config["listeners"] = listeners
        return config

    # --- life ---

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _ready(self):
        if not self.running():
            raise AssertionError(f"outrigger ended with {self.process.returncode}:\n{self.log()}")
        try:
            return self.admin("GET", "/readyz").status == 200
        except (ConnectionError, FileNotFoundError):
            return False

    def wait_ready(self):
        eventually(self._ready, "a ready outrigger")

    def signal(self, number):
        os.kill(self.pid, number)

    def wait_exit(self, within=GUARD):
        return self.process.wait(within)

    def terminate(self):
        """SIGTERM; its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_exit()

    def kill(self):
        process.kill(self.process)

    def resident_kib(self):
        return process.resident_kib(self.pid)

    def own_kib(self):
        return process.own_kib(self.pid)

    # --- talking to it ---

    @property
    def address(self):
        return next(iter(self.addresses.values()))

    def url(self, path="/"):
        return f"http://{self.address}{path}"

    def admin(self, method, path, fields=(), body=None, **options):
        client = Client(self.admin_address)
        try:
            fields = list(fields.items() if isinstance(fields, dict) else fields)
            fields.append(("Connection", "close"))
            at_socket = self.admin_address.startswith("unix:")
            options.setdefault("host", "localhost" if at_socket else self.admin_address)
            return client.request(method, path, fields, body, **options)
        finally:
            client.close()

    def admin_json(self, path):
        response = self.admin("GET", path)
        assert response.status == 200, f"{path}: {response.status} {response.text}"
        return json.loads(response.body)

    def metrics(self):
        response = self.admin("GET", "/metrics")
        assert response.status == 200, f"/metrics: {response.status} {response.text}"
        return Metrics(response.text)

    def metric(self, name, /, **labels):
        return self.metrics().value(name, **labels)

    def wait_metric(self, name, expected, /, **labels):
        """Until the metric is (or satisfies) what is expected; counters come after the answer."""
        holds = expected if callable(expected) else (lambda value: value == expected)
        last = []

        def look():
            last[:] = [self.metric(name, **labels)]
            return holds(last[0])
        try:
            eventually(look, f"{name}{labels}", within=GUARD / 3)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last}, expected {expected}") from None
        return last[0]
