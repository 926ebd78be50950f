"""What once went wrong, each test named by it."""

import signal
import socket
import time
import unittest

from harness import Case, answers, waits_for

BIG = b"x" * 3_100_000
# More than the kernel takes for a caller that does not read, and little enough to be queued whole.
QUEUED = b"x" * (88 << 10)


def connect(daemon, receive_buffer=None):
    """A plain socket, with a small receive buffer where asked."""
    host, port = daemon.address.rsplit(":", 1)
    raw = socket.socket()
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.settimeout(30)
    raw.connect((host, int(port)))
    return raw


def read_all(raw):
    received = bytearray()
    while True:
        piece = raw.recv(1 << 16)
        if not piece:
            return bytes(received)
        received += piece


class SlowReaderTest(Case):
    """A caller that rests for longer than the linger gets its whole response."""

    def body_of(self, data):
        return data.split(b"\r\n\r\n", 1)[1]

    def test_connection_close_does_not_cut_the_response_of_a_caller_that_rests(self):
        for body in (QUEUED, BIG):
            daemon = self.proxy(self.origin(answers(body=body)))
            raw = connect(daemon, 16384)
            raw.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            time.sleep(2.5)  # the behaviour under test: nothing is read for a while
            self.assertEqual(len(body), len(self.body_of(read_all(raw))))

    def test_a_caller_that_rests_longer_than_idle_is_not_the_upstreams_silence(self):
        body = BIG * 6  # more than all the buffers on its way
        daemon = self.proxy(self.origin(answers(body=body)),
                            route={"timeouts": {"request": "off", "idle": "300ms"}})
        raw = connect(daemon, receive_buffer=4096)
        raw.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        time.sleep(1)  # the behaviour under test
        self.assertTrue(read_all(raw).endswith(body))
        self.assertEqual(0, daemon.metric("timeouts_total", kind="idle"))

    def test_half_close_after_the_request_was_answered_does_not_cut_the_rest(self):
        daemon = self.proxy(self.origin(answers(body=QUEUED)))
        raw = connect(daemon, 16384)
        raw.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        daemon.wait_metric("requests_total", 1, code="200")
        self.assertGreater(daemon.metric("buffered_bytes"), 0)
        raw.shutdown(socket.SHUT_WR)
        self.assertEqual(len(QUEUED), len(self.body_of(read_all(raw))))

    def test_sigterm_does_not_cut_what_is_queued_for_a_caller(self):
        daemon = self.proxy(self.origin(answers(body=QUEUED)), shutdown={"drain_timeout": "20s"})
        raw = connect(daemon, 16384)
        raw.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        daemon.wait_metric("requests_total", 1, code="200")
        self.assertGreater(daemon.metric("buffered_bytes"), 0)
        daemon.signal(15)
        time.sleep(1.5)  # the daemon must be waiting for this caller meanwhile
        self.assertEqual(len(QUEUED), len(self.body_of(read_all(raw))))
        daemon.wait_exit()

    def test_pipelined_requests_wait_for_a_caller_that_does_not_read(self):
        daemon = self.start({"listeners": [{"routes": [
            {"respond": {"status": 200, "body": "y" * 60_000}}]}]})
        raw = connect(daemon, 16384)
        count = 200
        raw.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * (count - 1)
                    + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        time.sleep(1)
        received = read_all(raw)
        self.assertEqual(count, received.count(b"HTTP/1.1 200 OK"))
        self.assertEqual(count * 60_000, received.count(b"y"))


class StalledCallerTest(Case):
    def test_a_caller_that_owes_its_body_is_not_the_upstreams_failure(self):
        origin = self.origin()
        daemon = self.proxy(origin, route={"timeouts": {"idle": "1s"}},
                            upstream={"circuit_breaker": {"consecutive_failures": 1}},
                            listener={"timeouts": {"read": "1s"}})
        for _ in range(2):
            raw = connect(daemon)
            raw.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n0123456789")
            self.assertTrue(read_all(raw).startswith(b"HTTP/1.1 408"))
        self.assertEqual(0, daemon.metric("circuit_breaker_state"))
        self.assertEqual(200, self.request(daemon).status)

    def slow_put(self, daemon, rests):
        client = self.client(daemon)
        client.send_request("PUT", "/", [("Content-Length", "2")])
        client.send(b"a")
        time.sleep(rests)
        client.send(b"b")
        return client.read_response().status

    def test_a_caller_that_sends_slowly_is_not_the_upstreams_slowness(self):
        daemon = self.proxy(self.origin(), self.origin(), upstream={
            "outlier_detection": {"consecutive_local_origin_failures": 2},
            "circuit_breaker": {"min_requests": 2,
                                "slow_call": {"over": "200ms", "rate_percent": 50}}},
            route={"timeouts": {"per_try": "200ms"}, "retry": "off",
                   "circuit_breaker": {"min_requests": 2,
                                       "slow_call": {"over": "200ms", "rate_percent": 50}}})
        self.assertEqual([200] * 6, self.many(6, lambda _: self.slow_put(daemon, 0.5)))
        self.assertEqual(0, daemon.metric("outlier_ejections_total"))
        for scope in "route", "upstream":
            self.assertEqual(0, daemon.metric("circuit_breaker_state", scope=scope))

    def test_a_delay_on_purpose_is_no_slow_call(self):
        daemon = self.proxy(self.origin(), route={
            "fault": {"delay": {"percent": 100, "duration": "300ms"}},
            "circuit_breaker": {"min_requests": 2,
                                "slow_call": {"over": "200ms", "rate_percent": 50}}})
        self.assertEqual([200] * 4, self.many(4, lambda _: self.request(daemon).status))
        self.assertEqual(0, daemon.metric("circuit_breaker_state", scope="route"))

    def test_the_read_clock_stands_while_the_proxy_pauses_the_caller(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, listener={"timeouts": {"read": "1s"}},
                            upstream={"limits": {"max_requests": 1, "pending_timeout": "20s"}})
        holder = connect(daemon)
        holder.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        origin.wait_calls(1)
        raw = connect(daemon)
        raw.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                    b"Content-Length: 100000\r\n\r\n" + b"x" * 80_000)
        daemon.wait_metric("upstream_requests_pending", 1)
        time.sleep(2)
        gate.set()
        raw.sendall(b"x" * 20_000)
        self.assertTrue(read_all(raw).startswith(b"HTTP/1.1 200"))


class TunnelTest(Case):
    def test_much_that_comes_before_the_101_does_not_stop_the_tunnel(self):
        def echo(call):
            call.head(101, [("Connection", "Upgrade"), ("Upgrade", "websocket")], "Switching")
            call.over = True
            while data := call.wire.socket.recv(1 << 16):
                call.wire.socket.sendall(data)
        origin = self.origin(echo)
        raw = connect(self.proxy(origin))
        early, late = b"e" * 70_000, b"l" * 1000
        raw.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"\r\n" + early)
        received = b""
        while len(received.partition(b"\r\n\r\n")[2]) < len(early):
            received += raw.recv(1 << 16)
        raw.sendall(late)
        while len(received.partition(b"\r\n\r\n")[2]) < len(early) + len(late):
            received += raw.recv(1 << 16)
        self.assertEqual(early + late, received.partition(b"\r\n\r\n")[2])
        raw.close()


    def test_a_request_body_cut_short_by_the_101_does_not_end_the_tunnel(self):
        def echo(call):
            call.head(101, [("Connection", "Upgrade"), ("Upgrade", "websocket")], "Switching")
            while call.wire.fill():
                call.send(call.wire.take(len(call.wire.buffer)))
            call.over = True
        daemon = self.proxy(self.origin(echo), listener={"timeouts": {"read": "300ms"}})
        client = self.client(daemon)
        client.send_request("GET", "/", [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                                         ("Content-Length", "5")])
        self.assertEqual(101, client.read_response().status)
        for byte in b"a", b"b":
            time.sleep(0.3)  # together longer than `read`
            client.send(byte)
            self.assertEqual(byte, client.read_exact(1))
        self.assertEqual(0, daemon.metric("timeouts_total", kind="read"))


class ReloadTest(Case):
    def reload(self, daemon, config):
        before = daemon.metric("config_reloads_total", result="success")
        daemon.write_config(config)
        daemon.signal(signal.SIGHUP)
        daemon.wait_metric("config_reloads_total", before + 1, result="success")

    def test_a_listener_may_be_renamed(self):
        def named(name, address=None):
            listener = {"name": name, "routes": [{"respond": {"status": 200, "body": name}}]}
            return {"listeners": [{**listener, **({"address": address} if address else {})}]}
        daemon = self.start(named("before"))
        address = daemon.address
        self.assertEqual("before", self.request(daemon).text)
        self.reload(daemon, named("after", address))
        self.eventually(lambda: self.request(daemon).text == "after")
        self.assertEqual(1, daemon.metrics().has("downstream_connections", listener="after"))

    def test_a_raised_limit_lets_those_in_who_wait(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))

        def limited(count):
            return self.config(origin, upstream={"limits": {
                "max_requests": count, "pending_timeout": "1m"}})
        daemon = self.start(limited(1))
        first, second = connect(daemon), connect(daemon)
        for raw in (first, second):
            raw.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        daemon.wait_metric("upstream_requests_pending", 1)
        self.reload(daemon, limited(2))
        origin.wait_calls(2)  # both, while the first still holds its place
        gate.set()
        for raw in (first, second):
            self.assertTrue(read_all(raw).startswith(b"HTTP/1.1 200"))


class OtherEndpointTest(Case):
    def test_without_other_endpoint_a_retry_may_go_where_the_first_try_went(self):
        bad, good = self.origin(answers(503)), self.origin(answers())
        daemon = self.proxy(bad, good, upstream={"load_balancer": {"policy": "random"},
                                                 "retry_budget": {"percent": 100,
                                                                  "min_per_second": 1000}},
                            route={"retry": {"max_retries": 1, "other_endpoint": False}})
        statuses = [self.request(daemon).status for _ in range(60)]
        # A quarter is expected; none comes with a probability of 0.75^60 = 3e-8.
        self.assertIn(503, statuses)
        self.assertIn(200, statuses)


if __name__ == "__main__":
    unittest.main()
