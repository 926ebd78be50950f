"""What reaches the proxy while it stands still, so that one turn of its loop finds all of it, in the
order in which it came. Small writes leave at the end of a long turn, and requests that are not sent
twice at the end of any: what comes before that may undo them.
"""

import contextlib
import os
import select
import signal

from harness import GUARD, Case, Incomplete, chunk, request_bytes

UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"),
           ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")]


class OneTurnTest(Case):
    CROWD = 32
    SETTINGS = {"route": {"retry": {"max_retries": 0}}, "workers": 1, "upstream": {
        "retry_budget": {"percent": 0, "min_per_second": 0}, "timeouts": {"idle": "1m"},
        "circuit_breaker": {"consecutive_failures": {"count": 1, "always": True}}}}

    @contextlib.contextmanager
    def one_turn(self, daemon):
        # At rest it has polled: what it has seen before stands in no one's way.
        self.eventually(lambda: self.states(daemon) == {"S"})
        daemon.signal(signal.SIGSTOP)
        try:
            self.eventually(lambda: self.states(daemon) == {"T"})
            yield
        finally:
            daemon.signal(signal.SIGCONT)

    def long_turn(self, daemon):
        """After one with many reads, in which answers gather; each caller has begun a request, with
        one byte."""
        crowd = [self.client(daemon) for _ in range(self.CROWD)]
        with self.one_turn(daemon):
            for caller in crowd:
                caller.send(b"G")
        return self.one_turn(daemon)

    @staticmethod
    def states(daemon):
        """Of its threads."""
        found = set()
        for thread in os.listdir(f"/proc/{daemon.pid}/task"):
            with open(f"/proc/{daemon.pid}/task/{thread}/stat", encoding="ascii") as file:
                found.add(file.read().rsplit(")", 1)[1].split()[0])
        return found

    def test_a_post_that_has_not_left_goes_to_another_connection(self):
        origin = self.origin()
        daemon = self.proxy(origin, **self.SETTINGS)
        client = self.client(daemon)
        self.assertEqual(200, client.get().status)
        with self.one_turn(daemon):
            client.send_request("POST", "/", body=b"x")
            origin.drop_connections()
        self.assertEqual(200, client.read_response("POST").status)
        self.assertEqual((1, 2), (origin.count("POST"), origin.connections))
        daemon.wait_metric("retries_total", 1, reason="stale-connection")
        self.assertEqual(0, daemon.metric("circuit_breaker_transitions_total"))

    def test_a_large_post_whose_connection_was_reset_goes_to_another_whole(self):
        body = os.urandom(20_000)
        plain = request_bytes("POST", "/", body=body)
        chunked = request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]) + b"".join(
            chunk(part) for part in (body[:9_000], body[9_000:18_000], body[18_000:], b""))
        for name, (in_turn, later) in {"one piece": (plain, b""), "chunks": (chunked, b""),
                                       "two reads": (plain[:15_000], plain[15_000:])}.items():
            with self.subTest(name):
                origin = self.origin()
                daemon = self.proxy(origin, **self.SETTINGS)
                client = self.client(daemon)
                self.assertEqual(200, client.get().status)
                with self.one_turn(daemon):
                    client.send(in_turn)
                    origin.drop_connections(reset=True)
                    origin.wait_open(0)
                client.send(later)
                self.assertEqual(200, client.read_response("POST").status)
                self.assertEqual([b"", body], [call.body for call in origin.calls])
                daemon.wait_metric("retries_total", 1, reason="stale-connection")

    def test_where_a_stale_connection_is_not_forgiven_no_request_leaves_on_one(self):
        for method, body in (("GET", None), ("PUT", b"x"), ("POST", b"x")):
            with self.subTest(method):
                origin = self.origin()
                daemon = self.proxy(origin, route={"retry": {"retry_on": ["reset-before-request"]}})
                client = self.client(daemon)
                self.assertEqual(200, client.get().status)
                with self.one_turn(daemon):
                    client.send_request(method, "/mine", body=body)
                    origin.drop_connections()
                self.assertEqual(200, client.read_response(method).status)
                self.assertEqual(1, origin.count(target="/mine"))

    def test_what_an_idle_connection_has_said_answers_no_request(self):
        """A POST has not left by then; a GET has, and may be sent again."""
        wires = []

        def behave(call):
            wires.append(call.wire)
            call.answer()
        for method, body in (("POST", b"x"), ("GET", None)):
            origin = self.origin(behave)
            daemon = self.proxy(origin, **self.SETTINGS)
            client = self.client(daemon)
            self.assertEqual(200, client.get().status)
            with self.one_turn(daemon):
                client.send_request(method, "/mine", body=body)
                wires[-1].send(b"HTTP/1.1 408 Too Late\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual(200, client.read_response(method).status)
            self.assertEqual(2, origin.connections)
            if method == "POST":
                self.assertEqual(1, origin.count(target="/mine"))
            daemon.wait_metric("retries_total", 1, reason="stale-connection")

    def test_a_callers_end_does_not_take_the_answers_before_it(self):
        gate = self.gate()

        def behave(call):
            if call.target == "/first":
                call.wait(gate)
                call.answer(body=b"one")
                answered.set()
            else:
                call.wait_gone()
        answered = self.gate()
        origin = self.origin(behave)
        daemon = self.proxy(origin, **self.SETTINGS)
        client = self.client(daemon)
        client.send_request("GET", "/first")
        origin.wait_calls(1)
        client.send_request("GET", "/second")
        with self.long_turn(daemon):
            gate.set()
            answered.wait()
            client.half_close()
        self.assertEqual(b"one", client.read_response().body)
        with self.assertRaises(Incomplete):
            client.read_response()

    def test_an_answer_that_blocks_at_the_turns_end_is_timed(self):
        gate, answered = self.gate(), self.gate()

        def behave(call):
            call.wait(gate)
            call.answer(body=b"x" * 3500)
            answered.set()
        origin = self.origin(behave)
        daemon = self.proxy(origin, listener={"timeouts": {"write": "500ms"}}, **self.SETTINGS)
        client = self.client(daemon, receive_buffer=2048)
        for n in range(1, 41):  # until the kernel takes no more for this caller
            for event in (gate, answered):
                event.clear()
            client.send_request("GET", "/")
            origin.wait_calls(n)
            with self.long_turn(daemon):
                gate.set()
                answered.wait()
            daemon.wait_metric("requests_total", n, code="200")
            if daemon.metric("buffered_bytes") > n * self.CROWD:
                break
        self.assertLess(n, 40)
        reset = select.poll()  # the caller reads nothing
        reset.register(client.socket, 0)
        self.assertEqual([(client.socket.fileno(), select.POLLERR | select.POLLHUP)],
                         reset.poll(GUARD * 1000))

    def tunnel(self):
        """A daemon, a client in a tunnel, the wire at its other end and what comes out of that."""
        wires, received = [], []

        def behave(call):
            wires.append(call.wire)
            call.head(101, UPGRADE[:2], "Switching")
            call.over = True
            received.append(call.wire.read_to_end())
        daemon = self.proxy(self.origin(behave), **self.SETTINGS)
        client = self.client(daemon)
        client.send_request("GET", "/", UPGRADE)
        self.assertEqual(101, client.read_response_head().status)
        return daemon, client, wires[0], received

    def test_a_callers_end_does_not_take_the_tunnels_bytes_before_it(self):
        daemon, client, wire, _ = self.tunnel()
        with self.long_turn(daemon):
            wire.send(b"for the caller")
            client.half_close()
        self.assertEqual(b"for the caller", client.read_to_end())

    def test_an_upstreams_end_does_not_take_the_tunnels_bytes_before_it(self):
        daemon, client, wire, received = self.tunnel()
        with self.long_turn(daemon):
            client.send(b"for the upstream")
            wire.half_close()
        self.eventually(lambda: received == [b"for the upstream"])
