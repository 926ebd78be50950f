"""What the daemon tells a service manager: systemd's notify protocol, at a real datagram socket."""

import os
import secrets
import signal
import socket
import time
import unittest

from harness import GUARD, Case, waits_for

INBOUND = {"direction": "inbound"}


class Manager:
    """A socket as systemd makes one. `address` is what NOTIFY_SOCKET says."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(GUARD)
        self.name = "\0" + address[1:] if address.startswith("@") else address
        self.socket.bind(self.name)

    def read(self):
        """The next message, as a dict."""
        text = self.socket.recv(65536).decode()
        lines = [line.split("=", 1) for line in text.split("\n")]
        assert len({name for name, _ in lines}) == len(lines), text
        return dict(lines)

    def fill(self):
        """Sends until no more is taken: how many messages that were."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sent = 0
            while True:
                try:
                    sender.sendto(b"FULL=1", self.name)
                except BlockingIOError:
                    return sent
                sent += 1

    def nothing(self):
        self.socket.setblocking(False)
        try:
            raise AssertionError(f"told: {self.socket.recv(65536)!r}")
        except BlockingIOError:
            pass
        finally:
            self.socket.settimeout(GUARD)


class NotifyTest(Case):
    def manager(self, address=None):
        manager = Manager(address or os.path.join(self.directory, "notify"))
        self.addCleanup(manager.socket.close)
        return manager

    def started(self, manager, config=None, **options):
        daemon = self.start(config or self.config(self.origin()),
                            env={"NOTIFY_SOCKET": manager.address}, **options)
        self.assertEqual({"READY": "1", "STATUS": f"Serving at {daemon.address}"}, manager.read())
        return daemon

    def test_ready_is_told_when_callers_are_served(self):
        manager = self.manager()
        daemon = self.start(self.config(self.origin()), env={"NOTIFY_SOCKET": manager.address},
                            wait_ready=False)
        self.assertEqual("1", manager.read()["READY"])
        self.assertEqual(200, self.client(daemon).get().status)

    def test_a_daemon_that_cannot_serve_does_not_say_ready(self):
        manager = self.manager()
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        daemon = self.start(self.config(self.origin(), listener={"address": address}),
                            env={"NOTIFY_SOCKET": manager.address}, wait_ready=False)
        self.assertEqual(1, daemon.wait_exit())
        manager.nothing()

    def test_an_abstract_socket_is_told_too(self):
        self.started(self.manager("@outrigger-" + secrets.token_hex(8)))

    def test_a_reload_is_told_from_its_beginning_to_its_end(self):
        manager = self.manager()
        daemon = self.started(manager)
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.signal(signal.SIGHUP)
        reloading = manager.read()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.assertEqual("1", reloading["RELOADING"])
        # systemd compares it with the moment at which it sent the signal.
        self.assertTrue(before <= int(reloading["MONOTONIC_USEC"]) <= after, reloading)
        self.assertNotIn("READY", reloading)
        self.assertEqual({"READY": "1", "STATUS": f"Serving at {daemon.address}"}, manager.read())

    def test_a_refused_reload_ends_as_well_and_says_why(self):
        manager = self.manager()
        daemon = self.started(manager)
        daemon.write_config("listeners: 5\nupstreams: 6\n" + "é: 1\n" * 1000)
        self.assertEqual(422, daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"}).status)
        self.assertEqual("1", manager.read()["RELOADING"])
        told = manager.read()
        self.assertEqual("1", told["READY"])
        self.assertIn("Reload refused, the running configuration stays: ", told["STATUS"])
        self.assertIn("outrigger.yaml:1:12: listeners: ", told["STATUS"])

    def test_a_long_status_is_cut_between_characters(self):
        manager = self.manager()

        def addresses(pad):
            return [f"unix:{self.directory}/{'x' * (pad if i == 0 else 0)}{i}{'ü' * 15}"
                    for i in range(40)]

        def status(pad):
            return ("Serving at " + ", ".join(addresses(pad))).encode()
        # A continuation byte stands where the cut would be.
        pad = next(pad for pad in range(30) if status(pad)[1000] & 0xC0 == 0x80)
        self.start({"shutdown": {"outbound": "immediate"}, "listeners": [
            {"name": f"l{i}", "address": address,
             "routes": [{"name": f"r{i}", "respond": {"status": 200}}]}
            for i, address in enumerate(addresses(pad))]}, env={"NOTIFY_SOCKET": manager.address})
        self.assertEqual(status(pad)[:999].decode(), manager.read()["STATUS"])

    def test_stopping_is_told_at_the_signal_with_the_time_that_it_may_take(self):
        manager = self.manager()
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.started(manager, self.config(
            origin, listener=INBOUND, shutdown={"delay": "0s", "drain_timeout": "40s"}))
        client = self.client(daemon)
        client.send_request("GET", "/")
        origin.wait_calls(1)
        daemon.signal(signal.SIGTERM)
        told = manager.read()
        while "STOPPING" not in told:
            told = manager.read()
        self.assertEqual("1", told["STOPPING"])
        self.assertEqual(45_000_000, int(told["EXTEND_TIMEOUT_USEC"]))
        gate.set()
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(0, daemon.wait_exit())

    def test_the_delay_counts_into_the_time(self):
        manager = self.manager()
        daemon = self.started(manager, self.config(
            self.origin(), listener=INBOUND, shutdown={"delay": "30s", "drain_timeout": "40s"}))
        daemon.signal(signal.SIGTERM)
        self.assertEqual({"STATUS": "Draining"}, manager.read())
        told = manager.read()
        self.assertEqual("1", told["STOPPING"])
        self.assertEqual(75_000_000, int(told["EXTEND_TIMEOUT_USEC"]))
        daemon.signal(signal.SIGTERM)  # the delay need not be waited for
        self.assertEqual(1, daemon.wait_exit())

    def test_a_drain_that_may_be_taken_back_is_no_stop(self):
        manager = self.manager()
        daemon = self.started(manager, self.config(
            self.origin(), listener=INBOUND, shutdown={"delay": "1h", "drain_timeout": "1s"}))
        admin = {"X-Outrigger-Admin": "1"}
        self.assertEqual(202, daemon.admin("POST", "/drain", admin).status)
        self.assertEqual({"STATUS": "Draining"}, manager.read())
        self.assertEqual(200, daemon.admin("DELETE", "/drain", admin).status)
        self.assertEqual({"STATUS": f"Serving at {daemon.address}"}, manager.read())
        manager.nothing()
        daemon.admin("POST", "/quit", admin)
        self.assertEqual("1", manager.read()["STOPPING"])
        self.assertEqual(0, daemon.wait_exit())

    def test_a_reload_while_it_drains_is_told_to_nobody(self):
        manager = self.manager()
        daemon = self.started(manager, self.config(
            self.origin(), listener=INBOUND, shutdown={"delay": "1h", "drain_timeout": "1s"}))
        daemon.admin("POST", "/drain", {"X-Outrigger-Admin": "1"})
        self.assertEqual({"STATUS": "Draining"}, manager.read())
        self.assertEqual(422, daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"}).status)
        manager.nothing()
        daemon.admin("POST", "/quit", {"X-Outrigger-Admin": "1"})
        self.assertEqual(0, daemon.wait_exit())

    def test_what_a_full_socket_does_not_take_is_told_later(self):
        manager = self.manager()
        filled = manager.fill()
        daemon = self.start(self.config(self.origin()), env={"NOTIFY_SOCKET": manager.address})
        self.assertEqual(200, self.client(daemon).get().status)
        daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"})
        for _ in range(filled):
            self.assertEqual({"FULL": "1"}, manager.read())
        self.assertIn("READY", manager.read())
        self.assertIn("RELOADING", manager.read())
        self.assertIn("READY", manager.read())
        self.assertNotIn("NOTIFY_SOCKET", daemon.log())

    def test_a_wrong_socket_is_said_once_and_harms_nobody(self):
        gone = self.manager(os.path.join(self.directory, "gone"))
        gone.socket.close()
        for address, why in [(os.path.join(self.directory, "none"), "No such file or directory"),
                             (gone.address, "Connection refused"),
                             ("/" + "x" * 200, "it is too long"),
                             ("vsock:2:1", "it is neither a path nor a name after an @"),
                             ("relative", "it is neither a path nor a name after an @")]:
            with self.subTest(address):
                daemon = self.start(self.config(self.origin()), env={"NOTIFY_SOCKET": address})
                self.assertEqual(200, self.client(daemon).get().status)
                self.assertEqual(200, daemon.admin("POST", "/reload",
                                                   {"X-Outrigger-Admin": "1"}).status)
                self.assertEqual(0, daemon.terminate())
                self.assertEqual(1, daemon.log().count("NOTIFY_SOCKET"), daemon.log())
                self.assertIn(f"NOTIFY_SOCKET {address}: {why}", daemon.log())

    def test_nobody_to_tell_is_nothing_to_say(self):
        daemon = self.start(self.config(self.origin()), env={"NOTIFY_SOCKET": ""})
        self.assertEqual(0, daemon.terminate())
        self.assertNotIn("NOTIFY_SOCKET", daemon.log())


if __name__ == "__main__":
    unittest.main()
