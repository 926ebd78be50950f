"""The base of every end-to-end test: makes what a test needs and takes it down in reverse."""

import os
import re
import shutil
import tempfile
import threading
import unittest

from . import limits
from .load import Wrk
from .nginx import Nginx
from .origin import Origin
from .outrigger import BINARY, Outrigger
from .wire import Client


class Case(unittest.TestCase):
    maxDiff = None
    needs_binary = True

    def setUp(self):
        if self.needs_binary and not os.access(BINARY, os.X_OK):
            self.fail(f"there is no {BINARY}: build it, or set OUTRIGGER_BIN")
        self.directory = tempfile.mkdtemp(prefix="outrigger-e2e-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.daemons = []

    def explain(self):
        """What a failed test's daemons said."""
        return "".join(f"--- stderr of outrigger {daemon.pid}\n{daemon.log()[-6000:]}\n"
                       for daemon in getattr(self, "daemons", []))

    # --- what a test is made of ---

    def origin(self, behave=None, **options):
        origin = Origin(behave, **options)
        self.addCleanup(self._check_origin, origin)
        return origin

    def _check_origin(self, origin):
        origin.stop()
        self.assertEqual([], origin.errors, "the origin was sent what it could not read")

    def gate(self):
        """An event that lets waiting behaviours go on; set at the end in any case."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        return gate

    def nginx(self, name="nginx", **options):
        nginx = Nginx(os.path.join(self.directory, name), name, **options)
        self.addCleanup(nginx.stop)
        return nginx

    def wrk(self, url, seconds, **options):
        wrk = Wrk(url, seconds, **options)
        self.addCleanup(wrk.stop)
        return wrk

    def start(self, config, **options):
        """A daemon with this configuration; at the end it must stop cleanly."""
        daemon = Outrigger(config, self.directory, **options)
        self.daemons.append(daemon)
        self.addCleanup(self._finish, daemon)
        return daemon

    def _finish(self, daemon):
        try:
            if daemon.running():
                self.assertEqual(0, daemon.terminate(), "exit status after SIGTERM")
        finally:
            daemon.kill()

    def proxy(self, *origins, route=None, upstream=None, listener=None, **top):
        """A daemon with one listener, one route `r` and one upstream `u` of these origins."""
        return self.start(self.config(*origins, route=route, upstream=upstream,
                                      listener=listener, **top))

    @staticmethod
    def config(*origins, route=None, upstream=None, listener=None, **top):
        endpoints = [getattr(origin, "address", origin) for origin in origins]
        config = {
            "shutdown": {"delay": "0s", "drain_timeout": "1s", "outbound": "immediate"},
            "listeners": [{"name": "main", "routes": [{"name": "r", "upstream": "u",
                                                      **(route or {})}], **(listener or {})}],
            "upstreams": {"u": {"endpoints": endpoints, **(upstream or {})}},
        }
        config.update(top)
        return config

    def client(self, daemon, **options):
        address = daemon.address if isinstance(daemon, Outrigger) else daemon
        client = Client(address, **options)
        self.addCleanup(client.close)
        return client

    def request(self, daemon, method="GET", target="/", fields=(), body=None, **options):
        """One request on a connection of its own."""
        client = self.client(daemon)
        response = client.request(method, target, fields, body, **options)
        client.close()
        return response

    def raw(self, daemon, data, method="GET"):
        """One answer to these bytes, and the connection."""
        client = self.client(daemon)
        client.send(data)
        return client.read_response(method), client

    def many(self, count, work):
        """work(i) on `count` threads at once; their results in order, the first error raised."""
        results, errors = [None] * count, []

        def run(index):
            try:
                results[index] = work(index)
            except BaseException as error:
                errors.append(error)
        threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(limits.GUARD)
            self.assertFalse(thread.is_alive(), "a caller hangs")
        if errors:
            raise errors[0]
        return results

    # --- what is asserted ---

    def eventually(self, condition, what="the condition", within=limits.GUARD):
        return limits.eventually(condition, what, within)

    def assert_local(self, response, status, reason, error=None):
        """A local answer as CONFIG.md's table has it."""
        proxy_status = response.fields.get("Proxy-Status", "")
        seen = f"{response.status} {proxy_status} {response.text!r}"
        self.assertEqual(status, response.status, seen)
        match = re.fullmatch(r'outrigger; error=([a-z_]+); details="([^"]*)"', proxy_status)
        self.assertIsNotNone(match, f"Proxy-Status: {proxy_status!r}")
        self.assertEqual(reason, match[2], seen)
        if error:
            self.assertEqual(error, match[1], seen)
        if status in (429, 503):
            self.assertRegex(response.fields.get("Retry-After", ""), r"^[1-9]\d*$")

    def assert_upstream_answer(self, response, status, body=None):
        self.assertEqual(status, response.status, response.text)
        self.assertNotIn("Proxy-Status", response.fields)
        if body is not None:
            self.assertEqual(body, response.body)
