"""What a peer may send or hold, and what happens beyond: each bound with its key, answer and metric.

Bounds that policies set (bulkheads, queues) are in test_policies.
"""

import resource
import socket
import time
import unittest

from harness import SANITIZED, Case, answers, chunk, process, request_bytes, sends, waits_for

NEEDS_DESCRIPTORS = unittest.skipIf(
    SANITIZED, "UBSan asks whether memory can be read by way of a pipe, and takes its want for an error")
CHUNKED = {"Transfer-Encoding": "chunked"}


class ChunkBoundsTest(Case):
    """Extensions and trailers, both ways."""

    def upload(self, daemon, body):
        client = self.client(daemon)
        client.send(request_bytes("PUT", "/", CHUNKED) + body)
        return client.read_response()

    def test_extensions_of_a_request(self):
        for limits, bytes_each, chunks, status in (
                ({}, 200, 81, 200), ({}, 200, 83, 400),
                ({"max_chunk_extension_bytes": 100}, 50, 2, 200),
                ({"max_chunk_extension_bytes": 100}, 50, 3, 400),
                ({"max_chunk_extension_bytes": "1MiB"}, 300, 1, 400)):
            with self.subTest(limits=limits, bytes=bytes_each * chunks):
                daemon = self.proxy(self.origin(), listener={"limits": limits})
                extension = b";" + b"e" * (bytes_each - 1)
                body = b"".join(b"1" + extension + b"\r\nx\r\n" for _ in range(chunks))
                self.assertEqual(status, self.upload(daemon, body + b"0\r\n\r\n").status)
                if status == 400:
                    daemon.wait_metric("local_replies_total", 1, reason="bad-request")

    def test_trailers_of_a_request(self):
        for limits, size, status in (({}, 8000, 200), ({}, 8200, 400),
                                     ({"max_trailer_bytes": 64}, 60, 200),
                                     ({"max_trailer_bytes": 64}, 70, 400)):
            with self.subTest(limits=limits, size=size):
                daemon = self.proxy(self.origin(), listener={"limits": limits})
                trailer = b"a: " + b"x" * (size - 7) + b"\r\n\r\n"
                response = self.upload(daemon, chunk(b"x") + b"0\r\n" + trailer)
                self.assertEqual(status, response.status)

    def test_of_a_response(self):
        long_trailer = chunk(b"x") + b"0\r\na: " + b"x" * 100 + b"\r\n\r\n"
        long_extension = b"1;" + b"e" * 100 + b"\r\nx\r\n0\r\n\r\n"
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for limits in ({"max_trailer_bytes": 64}, {"max_chunk_extension_bytes": 64}):
            for body in (long_trailer, long_extension):
                fits = (body is long_trailer) != ("max_trailer_bytes" in limits)
                with self.subTest(limits=limits, fits=fits):
                    daemon = self.proxy(self.origin(sends(head + body)),
                                        upstream={"limits": limits})
                    client = self.client(daemon)
                    client.send_request("GET", "/")
                    if fits:
                        self.assertEqual(b"x", client.read_response().body)
                        continue
                    self.assert_incomplete(client)
                    daemon.wait_metric("responses_aborted_total", 1, side="upstream")

    def assert_incomplete(self, client):
        received = client.wait_closed()
        body = received.partition(b"\r\n\r\n")[2]  # a request id may end with a 0, too
        self.assertFalse(body.endswith(b"0\r\n\r\n"), received)


class ResponseHeadBoundsTest(Case):
    def test_bytes_fields_and_interim_responses(self):
        def head(fields, interim=0):
            return (b"HTTP/1.1 103 Early\r\n\r\n" * interim + b"HTTP/1.1 200 OK\r\n" + fields +
                    b"Content-Length: 0\r\n\r\n")
        field = b"A: " + b"x" * 95 + b"\r\n"  # 100 bytes
        for limits, answer, good in (
                ({}, head(field * 250), True), ({}, head(field * 256), False),
                ({}, head((b"A: " + b"x" * 65000 + b"\r\n")), True),
                ({}, head((b"A: " + b"x" * 66000 + b"\r\n")), False),
                ({"max_head_bytes": "1KiB"}, head(field * 9), True),
                ({"max_head_bytes": "1KiB"}, head(field * 10), False),
                ({"max_headers": 10}, head(field * 9), True),
                ({"max_headers": 10}, head(field * 10), False),
                ({}, head(b"", 16), True), ({}, head(b"", 17), False),
                ({"max_informational_responses": 0}, head(b"", 1), False)):
            with self.subTest(limits=limits, bytes=len(answer)):
                daemon = self.proxy(self.origin(sends(answer)), upstream={"limits": limits})
                client = self.client(daemon)
                client.send_request("GET", "/")
                response = client.read_response()
                while response.status == 103:
                    response = client.read_response()
                if good:
                    self.assertEqual(200, response.status)
                else:
                    self.assert_local(response, 502, "bad-response", "http_protocol_error")
                    daemon.wait_metric("upstream_attempts_total", lambda count: count > 0,
                                       outcome="bad-response")

    def test_a_reload_holds_for_pooled_connections(self):
        origin = self.origin(answers(fields={"A": "x" * 3000}))
        daemon = self.proxy(origin)
        client = self.client(daemon)
        self.assertEqual(200, client.get().status)
        daemon.write_config(self.config(origin, upstream={"limits": {"max_head_bytes": "1KiB"}}))
        self.assertEqual(200, daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"}).status)
        self.assert_local(client.get(), 502, "bad-response")
        self.assertEqual({0, 1}, {call.connection for call in origin.calls})


class PipeliningTest(Case):
    def test_one_at_a_time_and_the_rest_waits_unread(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, listener={"limits": {"max_pipelined_bytes": "1KiB"}})
        client = self.client(daemon)
        data = request_bytes("GET", "/", {"A": "x" * 1000}) * 20000  # 21 MB
        client.socket.setblocking(False)
        sent = 0
        try:
            while sent < len(data):
                sent += client.socket.send(data[sent:sent + 65536])
        except BlockingIOError:
            pass
        self.assertLess(sent, len(data), "reads must have stopped")
        origin.wait_calls(1)
        self.assertEqual(1, len(origin.calls))
        self.assertLess(daemon.metric("buffered_bytes"), 512 * 1024)
        client.socket.setblocking(True)
        gate.set()
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(200, client.read_response().status)


class ExhaustionTest(Case):
    """Out of descriptors: nobody crashes, spins, or blames an upstream for it."""

    def no_more_descriptors(self, daemon):
        """It keeps what it has. To be called for the end of it."""
        before = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (1, before[1]))

        def lift():
            if daemon.running():
                resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, before)
        self.addCleanup(lift)
        return lift

    @NEEDS_DESCRIPTORS
    def test_callers_wait_for_a_descriptor(self):
        daemon = self.proxy(self.origin(), workers=1)  # each complains
        lift = self.no_more_descriptors(daemon)
        clients = [self.client(daemon) for _ in range(20)]
        self.eventually(lambda: "cannot accept connections: Too many open files" in
                        daemon.log())
        spent, since = process.cpu_seconds(daemon.pid), time.monotonic()
        self.eventually(lambda: time.monotonic() - since > 1)
        busy = (process.cpu_seconds(daemon.pid) - spent) / (time.monotonic() - since)
        self.assertLess(busy, 0.2)
        self.assertEqual(1, daemon.log().count("cannot accept"))
        lift()
        self.assertEqual([200] * 20, [client.get().status for client in clients])
        self.assertGreater(daemon.metric("overflow_total", upstream="", limit="system"), 0)

    @NEEDS_DESCRIPTORS
    def test_an_upstream_is_not_blamed_for_it(self):
        origin = self.origin()
        daemon = self.proxy(origin, upstream={
            "circuit_breaker": {"consecutive_failures": 2},
            "outlier_detection": {"consecutive_local_origin_failures": 1},
            "endpoints": [{"address": origin.address}, {"address": self.origin().address}]})
        client = self.client(daemon)
        daemon.wait_metric("downstream_connections", 1)
        lift = self.no_more_descriptors(daemon)
        for _ in range(6):
            self.assert_local(client.get(), 503, "overflow", "connection_limit_reached")
        self.assertIn("cannot connect to upstreams: Too many open files", daemon.log())
        lift()
        self.assertEqual(200, client.get().status)
        page = daemon.metrics()
        self.assertEqual(6, page.value("overflow_total", upstream="u", limit="system"))
        self.assertGreaterEqual(page.value("upstream_attempts_total", outcome="cancelled"), 6)
        self.assertEqual(2, page.value("upstream_endpoints", state="healthy"))

    @NEEDS_DESCRIPTORS
    def test_another_endpoint_that_has_a_connection_is_asked(self):
        origins = [self.origin(), self.origin()]
        daemon = self.proxy(*origins, upstream={"load_balancer": {"policy": "round_robin"}})
        client = self.client(daemon)
        self.assertEqual(200, client.get().status)
        self.assertEqual(1, sum(len(origin.calls) for origin in origins))
        self.no_more_descriptors(daemon)
        self.assertEqual([200] * 4, [client.get().status for _ in range(4)])

    def test_sixty_four_descriptors_serve_one_caller_at_a_time(self):
        daemon = self.start(self.config(self.origin()), under=("prlimit", "--nofile=64:64"))
        first = self.client(daemon)
        self.assertEqual(200, first.get().status)
        second = self.client(daemon)
        self.assert_local(second.read_response(), 503, "overflow")
        first.close()
        daemon.wait_metric("downstream_connections", 0)
        self.assertEqual(200, self.request(daemon).status)

    def test_silent_connections_beyond_the_bound_end_and_harm_nobody(self):
        daemon = self.proxy(self.origin(), listener={
            "limits": {"max_connections": 300}, "timeouts": {"head": "1s"}})
        silent = [self.client(daemon) for _ in range(400)]
        daemon.wait_metric("overflow_total", 100, upstream="", limit="max_connections")
        spent, since = process.cpu_seconds(daemon.pid), time.monotonic()
        daemon.wait_metric("downstream_connections", 0)
        busy = (process.cpu_seconds(daemon.pid) - spent) / (time.monotonic() - since)
        if not SANITIZED:
            self.assertLess(busy, 0.3)
        self.assertEqual(200, self.request(daemon).status)
        for client in silent:
            client.close()

    def test_ten_thousand_silent_connections(self):
        daemon = self.proxy(self.origin(), listener={"timeouts": {"head": "10s"}})
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        count = min(10_000, hard - 200)
        host, port = daemon.address.split(":")
        silent = []
        for _ in range(count):
            silent.append(socket.create_connection((host, int(port))))
        daemon.wait_metric("downstream_connections", lambda open_: open_ > 0.9 * min(
            count, daemon.admin_json("/config")["overload"]["max_connections"]))
        spent, since = process.cpu_seconds(daemon.pid), time.monotonic()
        self.eventually(lambda: time.monotonic() - since > 1)
        busy = (process.cpu_seconds(daemon.pid) - spent) / (time.monotonic() - since)
        if not SANITIZED:
            self.assertLess(busy, 0.2)
        self.eventually(lambda: daemon.metric("downstream_connections") == 0)
        for each in silent:
            each.close()
        self.assertEqual(200, self.request(daemon).status)
        self.assertGreater(daemon.metric("timeouts_total", kind="head"), 0.9 * count - 200)

    def test_a_storm_of_connections(self):
        daemon = self.proxy(self.origin())
        host, port = daemon.address.split(":")

        def storm(_):
            for _ in range(1000):
                socket.create_connection((host, int(port))).close()
        self.many(4, storm)
        self.assertEqual(200, self.request(daemon).status)
        daemon.wait_metric("downstream_connections", lambda open_: open_ <= 1)


class ShareTest(Case):
    """Of buffered bytes in all: who takes much for nothing does not have the others shed."""

    def held(self, daemon, count, data):
        clients = [self.client(daemon) for _ in range(count)]
        for client in clients:
            client.send(data)
        return clients

    def test_unfinished_heads(self):
        daemon = self.proxy(self.origin(), overload={"max_buffered_bytes": "1MiB"})
        self.held(daemon, 200, b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 60_000)
        daemon.wait_metric("local_replies_total", lambda count: count > 100, reason="overflow")
        self.assertLess(daemon.metric("buffered_bytes"), 2 << 20)
        self.assertEqual(200, self.request(daemon).status)

    def test_bodies_kept_for_another_try(self):
        arrived = []

        def behave(call):
            if call.method == "GET":
                return call.answer()
            arrived.append(call.wire.read_exact(60_000))
            call.wait_gone()
        daemon = self.proxy(self.origin(behave), overload={"max_buffered_bytes": "1MiB"})
        self.held(daemon, 200, request_bytes("PUT", "/", {"Content-Length": "1000000"}) +
                  b"x" * 60_000)
        self.eventually(lambda: len(arrived) == 200)
        self.assertLess(daemon.metric("buffered_bytes"), 2 << 20)
        self.assertEqual(200, self.request(daemon).status)

    @unittest.skipIf(SANITIZED, "memory is not what it would be")
    def test_an_idle_connection_keeps_no_buffer(self):
        daemon = self.proxy(self.origin())

        def wave():
            clients = self.held(daemon, 300, b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 60_000)
            for client in clients:
                client.send(b"\r\n\r\n")
                self.assertEqual(200, client.read_response().status)
            return clients
        clients = wave()
        before = daemon.resident_kib()
        more = wave()  # in the memory that the first ones, still open, have given back
        self.assertLess(daemon.resident_kib() - before, 18_000 / 2)
        self.assertEqual([200] * 600, [client.get().status for client in clients + more])

    @unittest.skipIf(SANITIZED, "memory is not what it would be")
    def test_what_is_resident(self):
        daemon = self.proxy(self.origin())
        self.eventually(lambda: daemon.resident_kib() < 6 * 1024)

        def wave(count):
            clients = [self.client(daemon) for _ in range(count)]
            self.assertEqual([200] * count, [client.get().status for client in clients])
            return clients
        first = wave(100)  # so that all that requests need is there
        before = daemon.own_kib()
        idle = wave(1000)
        each = (daemon.own_kib() - before) * 1024 / len(idle)
        self.assertLess(each, 700)
        self.assertEqual(200, first[0].get().status)


if __name__ == "__main__":
    unittest.main()
