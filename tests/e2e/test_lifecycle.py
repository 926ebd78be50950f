"""healthcheck, wait-ready, drain and quit: a running daemon asked by the program itself."""

import json
import os
import signal
import socket
import subprocess
import unittest

from harness import (BINARY, GUARD, Case, Client, Silent, answers, free_address, hangs, process,
                     run_binary, sends, waits_for)

ALL = ("healthcheck", "wait-ready", "drain", "quit")
PATIENT = {"delay": "0s", "drain_timeout": "5m", "outbound": "immediate"}


class LifecycleCase(Case):
    def ask(self, daemon, command, *options):
        """(exit status, stdout, stderr) of a command at this daemon, or at this address."""
        address = getattr(daemon, "admin_address", daemon)
        return run_binary(command, "--admin", address, *options)

    def begin(self, *arguments):
        """The program, and what it prints as it comes."""
        out = os.path.join(self.directory, "out")
        with open(out, "wb") as file:
            command = process.start([BINARY, *arguments], stdout=file, stderr=subprocess.STDOUT)
        self.addCleanup(process.kill, command)

        def said():
            with open(out, encoding="utf-8") as file:
                return file.read()
        return command, said

    def file(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def mute(self):
        """An address where connections are made and nothing is ever said."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        return "127.0.0.1:%d" % listener.getsockname()[1]

    def silent(self):
        silent = Silent()
        self.addCleanup(silent.stop)
        return silent.address

    def unready(self, **more):
        """A daemon that is alive and not ready."""
        daemon = self.start(self.config("no-such-name.invalid:80", ready={"upstreams": ["u"]},
                                        **more), wait_ready=False)

        def alive():
            try:
                return daemon.admin("GET", "/healthz").status == 200
            except (ConnectionRefusedError, FileNotFoundError):
                return False
        self.eventually(alive)
        return daemon

    def in_flight(self, daemon, origin):
        client = self.client(daemon)
        client.send_request("GET", "/")
        origin.wait_calls(1)
        return client

    def assert_gone(self, daemon):
        with self.assertRaises((ConnectionRefusedError, FileNotFoundError)):
            Client(daemon.admin_address)
        self.assertEqual(0, daemon.wait_exit())


class UsageTest(LifecycleCase):
    def test_help(self):
        for command in ALL:
            status, out, _ = run_binary(command, "--help")
            self.assertEqual(0, status)
            self.assertIn("--admin", out)

    def test_wrong_usage_is_2(self):
        missing = f"{self.directory}/none"
        for command in ALL:
            for options, expected in (
                    (["--fly"], "--fly"),
                    (["more"], "more"),
                    (["--timeout", "5"], "a number needs a unit"),
                    (["--timeout", "0"], "must be more than 0"),
                    (["--timeout", "-1s"], "--timeout"),
                    (["--admin", "127.0.0.1"], "has no port"),
                    (["--admin", "some.example:80"], "a name other than localhost"),
                    (["--admin", "127.0.0.1:1", "-c", "x"], "excludes"),
                    (["-c", missing], "none"),
                    (["-c", ""], "cannot be read"),
                    (["--token-file", ""], "no token can be read"),
                    (["--token-file", missing], "none: no token can be read"),
                    (["--token-file", self.file("empty", "  \nx\n")], "no token can be read")):
                with self.subTest(command=command, options=options):
                    status, out, err = run_binary(command, *options)
                    self.assertEqual((2, ""), (status, out))
                    self.assertIn(expected, err)
        for command in ("healthcheck", "wait-ready", "quit"):
            self.assertEqual(2, run_binary(command, "--wait")[0])


class NobodyThereTest(LifecycleCase):
    def test_a_dead_address_is_said(self):
        for command in ("healthcheck", "drain", "quit"):
            for address, why in ((free_address(), "Connection refused"),
                                 (f"unix:{self.directory}/none", "No such file")):
                status, out, err = self.ask(address, command)
                self.assertEqual((1, ""), (status, out))
                self.assertIn(f"outrigger: {address}: {why}", err)
        self.assertEqual(1, self.ask(free_address(), "drain", "--wait")[0])

    def test_waiting_ends(self):
        address = free_address()
        status, out, err = self.ask(address, "wait-ready", "--timeout", "1s")
        self.assertEqual((1, ""), (status, out))
        self.assertIn(f"not ready in time: {address}: Connection refused", err)

    def test_an_address_that_hangs_is_given_up(self):
        for address in (self.mute(), self.silent()):
            for command in ALL:
                status, out, err = self.ask(address, command, "--timeout", "100ms")
                self.assertEqual((1, ""), (status, out))
                self.assertIn(f"{address}: no answer in time", err)
        self.assertEqual(1, self.ask(self.mute(), "healthcheck")[0])

    def test_what_is_no_daemon_is_said(self):
        for behave, why in ((sends("SSH-2.0-x\r\n\r\n"), "does not speak HTTP"),
                            (sends(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000),
                             "does not speak HTTP"),
                            (lambda call: call.close(), "closed without an answer"),
                            (answers(404, "nothing\x1b[2J here\nand more"),
                             "answers 404 'nothing\\x1b[2J here'"),
                            (answers(503, "not ready"), "answers 503 'not ready'")):
            status, _, err = self.ask(self.origin(behave).address, "healthcheck")
            self.assertEqual(1, status)
            self.assertIn(why, err)

    def test_a_body_without_end_does_not_hold_it_up(self):
        def floods(call):
            call.head(200, {"Content-Length": 10 ** 12})
            try:
                while True:
                    call.send(b"x" * 10_000)
            except ConnectionError:
                call.over = True
        self.assertEqual(0, self.ask(self.origin(floods).address, "healthcheck")[0])


class ReadyTest(LifecycleCase):
    def test_ready(self):
        daemon = self.proxy(self.origin())
        port = daemon.admin_address.rpartition(":")[2]
        for address in (daemon.admin_address, f"localhost:{port}"):
            for command in ("healthcheck", "wait-ready"):
                self.assertEqual((0, "ready\n", ""), self.ask(address, command))

    def comes_and_goes(self, address):
        daemon = self.start(self.config(self.origin(), admin={"address": address}),
                            wait_ready=False)
        self.assertEqual((0, "ready\n", ""), self.ask(daemon, "wait-ready"))
        self.assertEqual((0, "draining\n", ""), self.ask(daemon, "drain", "--wait"))
        self.assertEqual(0, daemon.wait_exit())

    def test_at_a_unix_socket(self):
        self.comes_and_goes(f"unix:{self.directory}/admin")

    def test_at_an_ipv6_address(self):
        try:
            with socket.create_server(("::1", 0), family=socket.AF_INET6) as one:
                port = one.getsockname()[1]
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        self.comes_and_goes(f"[::1]:{port}")

    def test_at_the_metrics_address(self):
        address = free_address()
        self.proxy(self.origin(), metrics={"address": address})
        self.assertEqual(0, self.ask(address, "healthcheck")[0])
        status, _, err = self.ask(address, "drain")
        self.assertEqual(1, status)
        self.assertIn(f"{address} answers 405 'only GET and HEAD here'", err)

    def test_not_ready(self):
        daemon = self.unready()
        status, out, err = self.ask(daemon, "healthcheck")
        self.assertEqual((1, ""), (status, out))
        self.assertIn(f"{daemon.admin_address} answers 503 'not ready'", err)
        status, _, err = self.ask(daemon, "wait-ready", "--timeout", "1s")
        self.assertEqual(1, status)
        self.assertIn("not ready in time", err)

    def test_draining_is_not_ready(self):
        origin = self.origin(hangs)
        daemon = self.proxy(origin, shutdown=PATIENT)
        self.in_flight(daemon, origin)
        self.assertEqual((0, "draining\n", ""), self.ask(daemon, "drain"))
        self.assertEqual(1, self.ask(daemon, "healthcheck")[0])
        self.assertEqual((0, "quitting\n", ""), self.ask(daemon, "quit"))
        self.assertEqual(0, daemon.wait_exit())

    def test_waits_for_a_daemon_to_come(self):
        address = free_address()
        waiting, said = self.begin("wait-ready", "--admin", address, "--timeout", "5m")
        self.proxy(self.origin(), admin={"address": address})
        self.assertEqual(0, waiting.wait(GUARD), said())
        self.assertEqual("ready\n", said())

    def test_waits_for_a_daemon_to_be_ready(self):
        daemon = self.unready()
        waiting, said = self.begin("wait-ready", "--admin", daemon.admin_address,
                                   "--timeout", "5m")
        daemon.write_config(self.config(self.origin(), ready={"upstreams": ["u"]}))
        self.assertIsNone(waiting.poll(), said())
        daemon.signal(signal.SIGHUP)
        self.assertEqual(0, waiting.wait(GUARD), said())
        self.assertEqual(200, daemon.admin("GET", "/readyz").status)


class DrainTest(LifecycleCase):
    def test_quit_ends_it(self):
        origin = self.origin(hangs)
        daemon = self.proxy(origin, shutdown=PATIENT)
        self.in_flight(daemon, origin)
        self.assertEqual((0, "quitting\n", ""), self.ask(daemon, "quit"))
        self.assertEqual(0, daemon.wait_exit())

    def test_wait_returns_when_the_daemon_has_gone(self):
        daemon = self.proxy(self.origin(), shutdown=PATIENT)
        self.assertEqual((0, "draining\n", ""), self.ask(daemon, "drain", "--wait"))
        self.assert_gone(daemon)

    def test_wait_waits_for_what_is_in_flight(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, shutdown=PATIENT)
        client = self.in_flight(daemon, origin)
        status, out, err = self.ask(daemon, "drain", "--wait", "--timeout", "1s")
        self.assertEqual((1, "draining\n"), (status, out))
        self.assertIn("not gone in time", err)
        waiting, said = self.begin("drain", "--wait", "--timeout", "5m", "--admin",
                                   daemon.admin_address)
        self.eventually(lambda: said() == "draining\n")
        self.assertIsNone(waiting.poll())
        gate.set()
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(0, waiting.wait(GUARD), said())
        self.assert_gone(daemon)

    def test_a_drain_taken_back_is_said(self):
        daemon = self.proxy(self.origin(), listener={"direction": "inbound"},
                            shutdown={"delay": "5m", "drain_timeout": "5m"})
        waiting, said = self.begin("drain", "--wait", "--timeout", "10m", "--admin",
                                   daemon.admin_address)
        self.eventually(lambda: said() == "draining\n")
        self.assertEqual(200, daemon.admin("DELETE", "/drain", {"X-Outrigger-Admin": "1"}).status)
        self.assertEqual(1, waiting.wait(GUARD))
        self.assertIn("the drain was taken back", said())
        daemon.kill()


class TokenTest(LifecycleCase):
    def test_the_token(self):
        token = self.file("token", "s3cret \t\r\nmore\n")
        wrong = self.file("wrong", "s3cretX\n")
        daemon = self.proxy(self.origin(), admin={"token_file": token})
        for options in ([], ["--token-file", wrong]):
            self.assertEqual(0, self.ask(daemon, "healthcheck", *options)[0])
            for command in ("drain", "quit"):
                status, out, err = self.ask(daemon, command, *options)
                self.assertEqual((1, ""), (status, out))
                self.assertIn("answers 401 'a token is needed", err)
        self.assertEqual(0, self.ask(daemon, "healthcheck", "--token-file", token)[0])
        self.assertEqual((0, "draining\n", ""),
                         self.ask(daemon, "drain", "--wait", "--token-file", token))
        self.assert_gone(daemon)

    def test_a_token_that_nobody_asked_for_does_no_harm(self):
        daemon = self.proxy(self.origin())
        status, _, err = self.ask(daemon, "quit", "--token-file", self.file("token", "x"))
        self.assertEqual((0, ""), (status, err))

    def test_the_configuration_says_both(self):
        daemon = self.proxy(self.origin(), admin={"token_file": self.file("token", "s3cret\n")})
        for command in ("healthcheck", "wait-ready"):
            self.assertEqual((0, "ready\n", ""), run_binary(command, "-c", daemon.file))
        self.assertEqual((0, "draining\n", ""), run_binary("drain", "--wait", "-c", daemon.file))
        self.assert_gone(daemon)

    def test_a_configuration_that_is_wrong_or_has_no_admin_is_2(self):
        off = self.file("off.yaml", json.dumps(self.config(free_address(), admin="off", listener={
            "address": "127.0.0.1:0"})))
        bad = self.file("bad.yaml", "flisteners: []\n")
        for path, expected in ((off, f"{off}: admin is off"), (bad, f"{bad}:1:1: flisteners")):
            status, _, err = run_binary("healthcheck", "-c", path)
            self.assertEqual(2, status)
            self.assertIn(expected, err)


if __name__ == "__main__":
    unittest.main()
