"""What reaches the proxy while it stands still, so that one turn of its loop finds all of it, in the
order in which it came. Answers are read first. Small writes leave at the end of a long turn, and
requests that are not sent twice at the end of any: what is read before that may undo them.
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

    LATE = b"HTTP/1.1 408 Too Late\r\nContent-Length: 0\r\n\r\n"
    LARGE = os.urandom(20_000)
    REQUESTS = {
        "GET": request_bytes("GET", "/mine"),
        "small POST": request_bytes("POST", "/mine", body=b"x"),
        "large POST": request_bytes("POST", "/mine", body=LARGE),
        "chunked POST": request_bytes("POST", "/mine", [("Transfer-Encoding", "chunked")]) + b"".join(
            chunk(part) for part in (LARGE[:9_000], LARGE[9_000:18_000], LARGE[18_000:], b""))}

    def told(self, origin):
        """What may come of an idle connection, by name."""
        def reset(wire):
            left = origin.open - 1
            wire.reset()
            origin.wait_open(left)
        return {"an answer": lambda wire: wire.send(self.LATE),
                "half an answer": lambda wire: wire.send(self.LATE[:20]),
                "an end": lambda wire: wire.half_close(), "a reset": reset}

    def keeping(self):
        """An origin, and its connections in the order in which requests came."""
        wires = []

        def behave(call):
            if not call.on_connection:
                wires.append(call.wire)
            call.answer()
        return self.origin(behave), wires

    def check_answered(self, client, origin, name):
        response = client.read_response(name.split()[-1])
        self.assertEqual((200, b"ok"), (response.status, response.body))
        mine = [call.body for call in origin.calls if call.target == "/mine"]
        self.assertEqual({"GET": b"", "small POST": b"x"}.get(name, self.LARGE), mine[-1])
        return len(mine)

    def test_no_request_is_given_to_a_connection_that_is_over(self):
        """In whichever order they came. None leaves on it, and so none is sent twice."""
        for name, request in self.REQUESTS.items():
            for word in ("an answer", "half an answer", "an end", "a reset"):
                for request_first in (False, True):
                    with self.subTest(f"{name}, {word}, request first: {request_first}"):
                        origin, wires = self.keeping()
                        daemon = self.proxy(origin, **self.SETTINGS)
                        client = self.client(daemon)
                        self.assertEqual(200, client.get().status)
                        with self.one_turn(daemon):
                            if request_first:
                                client.send(request)
                            self.told(origin)[word](wires[0])
                            if not request_first:
                                client.send(request)
                        self.assertEqual(1, self.check_answered(client, origin, name))
                        self.assertEqual(2, origin.connections)
                        self.assertEqual(0, daemon.metric("retries_total"))

    def test_a_request_that_is_given_to_one_before_that_is_read_goes_to_another(self):
        """An answer lets the next request of its caller begin, before what is read after it. A small
        POST has not left by then; a GET has, and may be sent again."""
        for name in ("GET", "small POST"):
            for word in ("an answer", "half an answer", "an end", "a reset"):
                with self.subTest(f"{name}, {word}"):
                    gate, answered = self.gate(), self.gate()
                    wires = {}

                    def behave(call, gate=gate, answered=answered, wires=wires):
                        wires[call.target] = call.wire
                        if call.target != "/slow":
                            return call.answer()
                        call.wait(gate)
                        call.answer(fields=[("Connection", "close")])
                        return answered.set()
                    origin = self.origin(behave)
                    daemon = self.proxy(origin, **self.SETTINGS)
                    client = self.client(daemon)
                    client.send_request("GET", "/slow")
                    origin.wait_calls(1)
                    self.assertEqual(200, self.client(daemon).get("/idle").status)
                    client.send(self.REQUESTS[name])
                    with self.one_turn(daemon):
                        gate.set()
                        answered.wait()
                        self.told(origin)[word](wires["/idle"])
                    self.assertEqual(200, client.read_response().status)
                    times = self.check_answered(client, origin, name)
                    self.assertEqual(3, origin.connections)
                    daemon.wait_metric("retries_total", 1, reason="stale-connection")
                    if name != "GET":
                        self.assertEqual(1, times)

    def test_a_large_post_whose_connection_ends_in_its_midst_goes_to_another_whole(self):
        """The rest of it comes later than the turn."""
        for name in ("large POST", "chunked POST"):
            with self.subTest(name):
                origin, wires = self.keeping()
                daemon = self.proxy(origin, **self.SETTINGS)
                client = self.client(daemon)
                self.assertEqual(200, client.get().status)
                with self.one_turn(daemon):
                    client.send(self.REQUESTS[name][:15_000])
                    self.told(origin)["a reset"](wires[0])
                client.send(self.REQUESTS[name][15_000:])
                self.assertEqual(1, self.check_answered(client, origin, name))

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

    def test_an_early_answer_does_not_cut_what_of_the_body_came_before_it(self):
        gate, answered = self.gate(), self.gate()

        def behave(call):
            call.wait(gate)
            call.answer(read_body=False)
            answered.set()
            call.body
        origin = self.origin(behave)
        daemon = self.proxy(origin, **self.SETTINGS)
        client = self.client(daemon)
        request = self.REQUESTS["chunked POST"]
        client.send(request[:-5])
        origin.wait_calls(1)
        with self.one_turn(daemon):
            client.send(request[-5:])
            gate.set()
            answered.wait()
        origin.wait_idle()
        self.assertEqual(1, self.check_answered(client, origin, "chunked POST"))
        self.assertEqual(200, client.get().status)
        self.assertEqual(1, origin.connections)

    def test_a_caller_that_goes_makes_room_for_one_that_comes(self):
        daemon = self.proxy(self.origin(), listener={"limits": {"max_connections": 1}}, workers=1)
        for _ in range(5):
            old = self.client(daemon)
            self.assertEqual(200, old.get().status)
            with self.one_turn(daemon):
                old.half_close()
                old.close()
                new = self.client(daemon)
            self.assertEqual(200, new.get().status)
            new.close()
            daemon.wait_metric("downstream_connections", 0)

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
