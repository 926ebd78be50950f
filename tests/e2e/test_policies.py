"""Deadlines, retries, bulkheads, breakers, ejection, balancing and routing, each by what a caller
and an upstream can see.
"""

import os
import threading
import time
import unittest

from harness import (GUARD, Case, Incomplete, Silent, answers, by_target, chunk, closes,
                     free_address, hangs, in_turn, request_bytes, resets, sends, waits_for)

NO_EJECTION = {"outlier_detection": "off"}
# A dead endpoint may be every request's first one: the budget must not be what is tested.
RICH = {**NO_EJECTION, "retry_budget": {"percent": 100}, "load_balancer": {"policy": "round_robin"}}


class TimeoutsTest(Case):
    def test_request_is_a_504_and_cancels_the_try(self):
        origin = self.origin(hangs)
        daemon = self.proxy(origin, route={"timeouts": {"request": "200ms"}})
        self.assert_local(self.request(daemon), 504, "timeout", "http_response_timeout")
        origin.wait_open(0)
        daemon.wait_metric("timeouts_total", 1, kind="request", route="r", upstream="u")
        daemon.wait_metric("requests_total", 1, code="504")
        daemon.wait_metric("upstream_attempts_total", 1, outcome="timeout")
        self.assertEqual(1, len(origin.calls))

    def test_request_covers_all_tries(self):
        origin = self.origin(hangs)
        daemon = self.proxy(origin, upstream=NO_EJECTION, route={
            "timeouts": {"request": "500ms", "per_try": "100ms"},
            "retry": {"max_retries": 10, "retry_on": ["per-try-timeout"]}},)
        self.assert_local(self.request(daemon), 504, "timeout")
        self.assertTrue(2 <= len(origin.calls) <= 5, len(origin.calls))

    def test_request_after_the_head_makes_the_response_incomplete(self):
        def behave(call):
            call.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            call.wait_gone()
        origin = self.origin(behave)
        daemon = self.proxy(origin, route={"timeouts": {"request": "200ms"}})
        client = self.client(daemon)
        client.send_request("GET", "/")
        self.assertEqual(200, client.read_response_head().status)
        with self.assertRaises(Incomplete):
            client.read_exact(10)
        origin.wait_open(0)
        daemon.wait_metric("responses_aborted_total", 1)

    def test_request_counts_from_the_last_byte_of_the_request(self):
        daemon = self.proxy(self.origin(), route={"timeouts": {"request": "300ms"}})
        client = self.client(daemon)
        client.send_request("POST", "/", {"Content-Length": "4"})
        for piece in (b"a", b"b", b"c", b"d"):
            time.sleep(0.2)
            client.send(piece)
        self.assertEqual(b"ok", client.read_response().body)

    def test_per_try_is_a_504_where_it_is_not_retried(self):
        origin = self.origin(hangs)
        daemon = self.proxy(origin, route={"timeouts": {"per_try": "200ms"}})
        self.assert_local(self.request(daemon), 504, "timeout", "http_response_timeout")
        origin.wait_open(0)
        self.assertEqual(1, len(origin.calls))
        daemon.wait_metric("timeouts_total", 1, kind="per-try")

    def test_per_try_ends_at_the_response_head(self):
        def behave(call):
            call.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
            for byte in b"abc":
                time.sleep(0.2)
                call.send(bytes([byte]))
        daemon = self.proxy(self.origin(behave), route={"timeouts": {"per_try": "300ms"}})
        self.assertEqual(b"abc", self.request(daemon).body)

    def test_idle_before_the_head_is_a_504(self):
        origin = self.origin(hangs)
        daemon = self.proxy(origin, route={"timeouts": {"idle": "200ms"}})
        self.assert_local(self.request(daemon), 504, "timeout")
        daemon.wait_metric("timeouts_total", 1, kind="idle")
        origin.wait_open(0)

    def test_idle_in_a_body_makes_the_response_incomplete(self):
        def behave(call):
            call.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            call.wait_gone()
        origin = self.origin(behave)
        daemon = self.proxy(origin, route={"timeouts": {"idle": "200ms"}})
        with self.assertRaises(Incomplete):
            self.request(daemon)
        origin.wait_open(0)

    def test_bytes_that_move_keep_an_exchange_from_being_idle(self):
        def behave(call):
            call.head(200, {"Content-Length": "6"})
            for byte in b"abcdef":
                time.sleep(0.5)
                call.send(bytes([byte]))
        daemon = self.proxy(self.origin(behave), route={"timeouts": {"idle": "2s"}})
        self.assertEqual(b"abcdef", self.request(daemon).body)

    UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket")]

    def test_tunnel_idle_closes_a_silent_tunnel(self):
        def behave(call):
            call.head(101, self.UPGRADE, "Switching")
            call.wait_gone()
        origin = self.origin(behave)
        daemon = self.proxy(origin, route={"timeouts": {"tunnel_idle": "300ms"}})
        client = self.client(daemon)
        self.assertEqual(101, client.request("GET", "/", self.UPGRADE).status)
        self.assertEqual(b"", client.wait_closed())
        origin.wait_open(0)
        daemon.wait_metric("timeouts_total", 1, kind="tunnel-idle")
        self.assertEqual(0, daemon.metric("responses_aborted_total"))

    def test_a_tunnel_and_an_event_stream_outlive_the_other_timeouts(self):
        gate = self.gate()

        def behave(call):
            if "Upgrade" in call.fields:
                call.head(101, self.UPGRADE, "Switching")
            else:
                call.head(200, {"Content-Type": "Text/Event-Stream; charset=utf-8"})
            call.over = True
            call.wait(gate)
            call.send("late")
        daemon = self.proxy(self.origin(behave), route={
            "timeouts": {"request": "200ms", "per_try": "150ms", "idle": "200ms"}})
        tunnel, stream = self.client(daemon), self.client(daemon)
        self.assertEqual(101, tunnel.request("GET", "/", self.UPGRADE).status)
        stream.send_request("GET", "/")
        head = stream.read_response_head()
        time.sleep(1)
        gate.set()
        self.assertEqual(b"late", tunnel.read_exact(4))
        stream.read_response_body(head)
        self.assertEqual(b"late", head.body)

    def test_connect_is_a_504_of_the_connection(self):
        silent = Silent()
        self.addCleanup(silent.stop)
        daemon = self.proxy(silent, route={"retry": "off"},
                            upstream={"timeouts": {"connect": "200ms"}})
        self.assert_local(self.request(daemon, "POST", body=b"x"), 504, "connect-failure",
                          "connection_timeout")
        daemon.wait_metric("timeouts_total", 1, kind="connect")
        daemon.wait_metric("upstream_attempts_total", 1, outcome="connect-failure")

    def test_a_connect_that_times_out_is_retried_elsewhere_for_any_method(self):
        silent, good = Silent(), self.origin()
        self.addCleanup(silent.stop)
        daemon = self.proxy(silent, good, upstream={**RICH, "timeouts": {"connect": "200ms"}})
        for _ in range(4):
            self.assertEqual(200, self.request(daemon, "POST", body=b"x").status)
        self.assertEqual(4, len(good.calls))
        self.assertGreaterEqual(daemon.metric("retries_total", reason="connect-failure"), 1)

    def test_an_unused_upstream_connection_is_closed(self):
        origin = self.origin()
        daemon = self.proxy(origin, upstream={"timeouts": {"idle": "300ms"}})
        self.request(daemon)
        origin.wait_open(0)
        self.request(daemon)
        self.assertEqual(2, origin.connections)

    def test_an_unused_connection_is_closed_a_second_before_the_upstream_would(self):
        gone = []

        def behave(call):
            call.answer(fields={"Keep-Alive": "timeout=2"} if call.target == "/short" else {})
            call.wait_gone()
            gone.append(call.target)
        gate = threading.Barrier(2)

        def together(call):
            gate.wait(GUARD)
            behave(call)
        daemon = self.proxy(self.origin(together))
        self.many(2, lambda i: self.request(daemon, target=("/short", "/plain")[i]))
        self.eventually(lambda: len(gone) == 2)
        self.assertEqual(["/short", "/plain"], gone)

    def test_an_old_upstream_connection_is_not_reused(self):
        origin = self.origin()
        daemon = self.proxy(origin, upstream={"timeouts": {"max_connection_duration": "300ms"}})
        client = self.client(daemon)
        client.get()

        def renewed():
            client.get()
            return origin.connections >= 2
        self.eventually(renewed)

    def test_head_slow_in_coming_is_a_408(self):
        daemon = self.proxy(self.origin(), listener={"timeouts": {"head": "200ms"}})
        response, client = self.raw(daemon, b"GET / HTTP/1.1\r\nHo")
        self.assert_local(response, 408, "head-timeout", "http_request_error")
        self.assertEqual(b"", client.wait_closed())
        daemon.wait_metric("timeouts_total", 1, kind="head")

    def test_a_dripped_head_does_not_gain_time(self):
        daemon = self.proxy(self.origin(), listener={"timeouts": {"head": "300ms"}})
        client = self.client(daemon)
        for byte in b"GET / HTTP/1.1\r\nHost: h\r\nA: bbbbbbbbb"[:30]:
            try:
                client.send(bytes([byte]))
            except ConnectionError:
                break
            time.sleep(0.05)
        try:
            self.assertEqual(408, client.read_response().status)
        except Incomplete as error:
            self.assertTrue(error.was_reset)  # it had closed before we stopped

    def test_a_connection_without_a_byte_is_closed_silently(self):
        daemon = self.proxy(self.origin(), listener={"timeouts": {"head": "200ms"}})
        self.assertEqual(b"", self.client(daemon).read_to_end())

    def test_a_connection_idle_between_requests_is_closed_silently(self):
        daemon = self.proxy(self.origin(), listener={"timeouts": {"keepalive": "200ms"}})
        client = self.client(daemon)
        client.get()
        self.assertEqual(b"", client.read_to_end())
        daemon.wait_metric("timeouts_total", 1, kind="keepalive")

    def test_a_request_body_that_stalls_is_a_408_and_not_the_upstreams_failure(self):
        origin = self.origin(lambda call: call.body)
        daemon = self.proxy(origin, listener={"timeouts": {"read": "200ms"}},
                            upstream={"circuit_breaker": {"consecutive_failures": 1}})
        for _ in range(2):
            client = self.client(daemon)
            client.send_request("POST", "/", {"Content-Length": "10"})
            client.send("abc")
            self.assert_local(client.read_response(), 408, "read-timeout", "http_request_error")
            self.assertEqual(b"", client.wait_closed())
        daemon.wait_metric("timeouts_total", 2, kind="read")
        self.assertEqual(0, daemon.metric("circuit_breaker_state"))

    def test_a_caller_that_takes_nothing_is_aborted(self):
        def behave(call):
            call.head(200, {"Content-Length": "100000000"})
            for _ in range(1000):
                call.send(b"x" * 100000)
        origin = self.origin(behave)
        daemon = self.proxy(origin, listener={"timeouts": {"write": "300ms"}})
        client = self.client(daemon, receive_buffer=8192)
        client.send_request("GET", "/")
        origin.wait_open(0)
        daemon.wait_metric("timeouts_total", 1, kind="write")
        daemon.wait_metric("responses_aborted_total", 1, side="downstream")
        with self.assertRaises(Incomplete):
            client.read_response()


class RetryTest(Case):
    """One endpoint answers in turn, so that what is tried again, and how often, is exact."""

    RETRY = {"retry": {"backoff": {"base": "1ms", "max": "2ms"}}}

    def through(self, *behaviours, route=None, upstream=None, **options):
        """A daemon before one origin that behaves so in turn."""
        self.seen = self.origin(in_turn(*behaviours))
        return self.proxy(self.seen, route=route or self.RETRY,
                          upstream={**NO_EJECTION, **(upstream or {})}, **options)

    @staticmethod
    def retry(**options):
        return {"retry": {"backoff": {"base": "1ms", "max": "2ms"}, **options}}

    def test_what_may_be_tried_again(self):
        """failure → whether (GET, POST, POST with an Idempotency-Key) is tried again."""
        bad = sends(b"no http\r\n\r\n")
        table = {
            "reset": (resets, None, (True, False, True)),
            "closed": (closes, None, (True, False, True)),
            "bad response": (bad, None, (True, False, True)),
            "502": (answers(502), None, (True, False, True)),
            "503": (answers(503), None, (True, False, True)),
            "504": (answers(504), None, (True, False, True)),
            "500": (answers(500), None, (False, False, False)),
            "500 by 5xx": (answers(500), ["5xx"], (True, False, True)),
            "500 by number": (answers(500), [500], (True, False, True)),
            "500 beside the defaults": (answers(500), ["default", 500], (True, False, True)),
            "503 not listed": (answers(503), ["connect-failure"], (False, False, False)),
            "reset not listed": (resets, ["connect-failure"], (False, False, False)),
            "409 by retriable-4xx": (answers(409), ["retriable-4xx"], (True, False, True)),
            "425 by retriable-4xx": (answers(425), ["retriable-4xx"], (True, True, True)),
            "429": (answers(429), None, (False, False, False)),
            "429 by rate-limited": (answers(429), ["rate-limited"], (True, False, True)),
            "404": (answers(404), None, (False, False, False)),
            "404 by number": (answers(404), [404], (True, False, True)),
        }
        ways = [("GET", {}, None), ("POST", {}, b"body"),
                ("POST", {"Idempotency-Key": "k"}, b"body")]
        for name, (failure, words, expected) in table.items():
            route = self.retry(**({"retry_on": words} if words else {}))
            daemon = self.through(lambda call: (failure if call.number % 2 == 0 and self.failing
                                                else answers())(call), route=route)
            for (method, fields, body), again in zip(ways, expected):
                with self.subTest(f"{name}: {method} {fields}"):
                    self.seen.calls.clear()
                    self.failing = True
                    response = self.request(daemon, method, fields=fields, body=body)
                    self.assertEqual(2 if again else 1, len(self.seen.calls), "tries")
                    self.assertEqual(again, response.status == 200, response.status)
                    if again and body:
                        self.assertEqual([body, body], [call.body for call in self.seen.calls])
            self.assertEqual(0, daemon.terminate())

    def test_every_listed_method_is_tried_again(self):
        for method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"):
            daemon = self.through(resets, answers())
            self.assertEqual(200, self.request(daemon, method).status, method)
        for method in ("POST", "PATCH"):
            daemon = self.through(resets, answers())
            self.assertEqual(502, self.request(daemon, method, body=b"").status, method)

    def test_the_methods_are_the_routes(self):
        daemon = self.through(resets, answers(), route=self.retry(methods=["POST"]))
        self.assertEqual(200, self.request(daemon, "POST", body=b"x").status)
        daemon = self.through(resets, answers(), route=self.retry(methods=["POST"]))
        self.assertEqual(502, self.request(daemon, "GET").status)

    def test_the_idempotency_key_header_is_the_routes(self):
        for key, status in (("X-Key", 200), ("Idempotency-Key", 502)):
            self.assertEqual(status, self.with_key(key, "X-Key"))
        self.assertEqual(502, self.with_key("Idempotency-Key", "off"))

    def with_key(self, sent, configured):
        daemon = self.through(resets, answers(),
                              route=self.retry(idempotency_key_header=configured))
        return self.request(daemon, "POST", fields={sent: "1"}, body=b"").status

    def test_a_refused_connect_is_tried_again_for_any_method(self):
        good = self.origin()
        daemon = self.proxy(free_address(), good, upstream=RICH)
        for _ in range(6):
            self.assertEqual(200, self.request(daemon, "POST", body=b"x").status)
        self.assertEqual([b"x"] * 6, [call.body for call in good.calls])
        self.assertGreaterEqual(daemon.metric("retries_total", reason="connect-failure"), 3)
        self.assertGreaterEqual(daemon.metric("upstream_connects_total", result="refused"), 3)

    def test_a_refused_connect_is_a_502_in_the_end(self):
        daemon = self.proxy(free_address(), upstream=NO_EJECTION)
        self.assert_local(self.request(daemon, "POST", body=b"x"), 502, "connect-failure",
                          "connection_refused")
        daemon.wait_metric("upstream_attempts_total", 2, outcome="connect-failure")

    def test_without_a_retry_block_once_more_but_not_for_a_status(self):
        daemon = self.through(resets, resets, answers(), route={"timeouts": {}})
        self.assertEqual(502, self.request(daemon).status)
        self.assertEqual(2, len(self.seen.calls))
        daemon = self.through(answers(503, b"no"), answers(), route={"timeouts": {}})
        self.assert_upstream_answer(self.request(daemon), 503, b"no")

    def test_retry_off_means_one_try(self):
        daemon = self.through(resets, answers(), route={"retry": "off"})
        self.assert_local(self.request(daemon), 502, "reset", "connection_terminated")
        self.assertEqual(1, len(self.seen.calls))

    def test_max_retries_bounds_the_tries_and_the_last_response_is_returned(self):
        for most in (0, 1, 2, 5):
            daemon = self.through(*[answers(503, f"no {i}") for i in range(9)],
                                  route=self.retry(max_retries=most),
                                  upstream={"retry_budget": {"min_per_second": 10}})
            self.assert_upstream_answer(self.request(daemon), 503, f"no {most}".encode())
            self.assertEqual(most + 1, len(self.seen.calls))
            daemon.wait_metric("retries_total", most)
            if most:
                daemon.wait_metric("retries_denied_total", 1, cause="max-retries")

    def test_once_a_retry_is_granted_the_next_try_alone_decides(self):
        daemon = self.through(answers(503, b"no"), resets, route=self.retry(max_retries=1))
        self.assert_local(self.request(daemon), 502, "reset")
        daemon = self.through(resets, answers(404, b"none"))
        self.assert_upstream_answer(self.request(daemon), 404, b"none")

    def test_the_attempts_are_numbered(self):
        daemon = self.through(answers(503), answers(503), answers())
        self.assertEqual(200, self.request(daemon).status)
        self.assertEqual([1, 2, 3], [call.attempt for call in self.seen.calls])
        daemon.wait_metric("upstream_attempts_total", 1, **{"try": "first"})
        daemon.wait_metric("upstream_attempts_total", 2, **{"try": "retry"})
        self.assertEqual(1, len({call.fields.get("x-request-id") for call in self.seen.calls}))

    def test_with_one_endpoint_a_retry_opens_a_new_connection(self):
        daemon = self.through(answers(), answers(503), answers(503), answers())
        client = self.client(daemon)
        client.get()
        self.assertEqual(200, client.get().status)
        connections = [call.connection for call in self.seen.calls]
        self.assertEqual(connections[0], connections[1])
        self.assertEqual(3, len(set(connections)), connections)

    def test_another_endpoint_is_preferred(self):
        bad, good = self.origin(answers(503)), self.origin()
        daemon = self.proxy(bad, good, route=self.RETRY, upstream={
            **NO_EJECTION, "retry_budget": {"percent": 100},
            "load_balancer": {"policy": "random"}})
        for _ in range(40):
            self.assertEqual(200, self.request(daemon).status)
        self.assertEqual(40, len(good.calls))
        self.assertTrue(all(call.attempt == 1 for call in bad.calls))
        self.assertGreater(len(bad.calls), 0)

    def test_a_reused_connection_that_proves_closed_is_not_a_failure(self):
        """It costs no retry, no budget and counts for no breaker."""
        def behave(call):
            call.body
            call.answer() if call.on_connection == 0 else call.close()
        origin = self.origin(behave)
        daemon = self.proxy(origin, route=self.retry(max_retries=0), upstream={
            "retry_budget": {"percent": 0, "min_per_second": 0},
            "circuit_breaker": {"consecutive_failures": {"count": 1, "always": True}}})
        client = self.client(daemon)
        for _ in range(10):
            self.assertEqual(200, client.get().status)
        daemon.wait_metric("retries_total", 9, reason="stale-connection")
        self.assertEqual(0, daemon.metric("circuit_breaker_transitions_total"))

    def test_a_stale_connection_is_tried_again_only_once(self):
        def behave(call):
            call.body
            call.answer() if call.number == 0 else call.close()
        origin = self.origin(behave)
        daemon = self.proxy(origin, route=self.retry(max_retries=0), upstream=NO_EJECTION)
        client = self.client(daemon)
        client.get()
        self.assert_local(client.get(), 502, "reset")
        self.assertEqual(3, len(origin.calls))

    def test_a_post_on_a_stale_connection_is_not_sent_twice(self):
        def behave(call):
            call.body
            call.answer() if call.on_connection == 0 else call.close()
        origin = self.origin(behave)
        daemon = self.proxy(origin, route=self.RETRY, upstream={"timeouts": {"idle": "1m"}})
        client = self.client(daemon)
        client.get()
        self.assertEqual(502, client.request("POST", "/", body=b"x").status)
        self.assertEqual(1, origin.count("POST"))

    def test_a_post_takes_no_connection_that_idled_long(self):
        origin = self.origin()
        daemon = self.proxy(origin, route=self.RETRY, upstream={"timeouts": {"idle": "2s"}})
        client = self.client(daemon)
        client.get()
        time.sleep(1.1)
        client.request("POST", "/", body=b"x")
        self.assertEqual([0, 1], [call.connection for call in origin.calls])

    def test_per_try_timeouts_are_tried_again_where_asked(self):
        route = {**self.retry(retry_on=["default", "per-try-timeout"]),
                 "timeouts": {"per_try": "200ms"}}
        daemon = self.through(hangs, answers(), route=route)
        self.assertEqual(200, self.request(daemon).status)
        daemon.wait_metric("retries_total", 1, reason="per-try-timeout")
        daemon = self.through(hangs, answers(), route=route)
        self.assert_local(self.request(daemon, "POST", body=b"x"), 504, "timeout")
        self.assertEqual(1, len(self.seen.calls))

    def test_a_kept_body_is_sent_again_whole(self):
        body = os.urandom(60_000)
        daemon = self.through(resets, answers(503), answers())
        self.assertEqual(200, self.request(daemon, "PUT", body=body).status)
        self.assertEqual([body] * 3, [call.body for call in self.seen.calls])

    def test_a_body_beyond_the_buffer_is_not_tried_again(self):
        body = os.urandom(200_000)
        daemon = self.through(resets, answers())
        self.assertEqual(502, self.request(daemon, "PUT", body=body).status)
        self.assertEqual(1, len(self.seen.calls))
        daemon.wait_metric("retries_denied_total", 1, cause="body-too-large")
        self.assertEqual(200, self.request(daemon, "PUT", body=body).status)

    def test_max_body_bytes_sets_the_buffer(self):
        for size, status in ((1000, 200), (1001, 502)):
            daemon = self.through(resets, answers(), route=self.retry(max_body_bytes=1000))
            self.assertEqual(status, self.request(daemon, "PUT", body=b"x" * size).status)

    def test_a_refused_connect_forgives_a_large_body(self):
        good = self.origin()
        daemon = self.proxy(free_address(), good, upstream=RICH)
        body = os.urandom(500_000)
        for _ in range(2):
            self.assertEqual(200, self.request(daemon, "POST", body=body).status)
        self.assertEqual([body] * 2, [call.body for call in good.calls])

    def test_a_retry_after_within_bounds_replaces_the_backoff(self):
        for status, words in ((503, ["default"]), (429, ["rate-limited"])):
            daemon = self.through(answers(status, fields={"Retry-After": "1"}), answers(),
                                  route=self.retry(retry_on=words))
            began = time.monotonic()
            self.assertEqual(200, self.request(daemon).status)
            self.assertGreaterEqual(time.monotonic() - began, 1.0)

    def test_a_longer_retry_after_ends_the_retries(self):
        daemon = self.through(answers(503, b"later", {"Retry-After": "2"}), answers())
        response = self.request(daemon)
        self.assert_upstream_answer(response, 503, b"later")
        self.assertEqual("2", response.fields.get("Retry-After"))
        daemon.wait_metric("retries_denied_total", 1, cause="retry-after")

    def test_a_503_with_retry_after_is_tried_elsewhere_at_once(self):
        busy, good = self.origin(answers(503, fields={"Retry-After": "60"})), self.origin()
        daemon = self.proxy(busy, good, route=self.RETRY, upstream=RICH)
        for _ in range(4):
            self.assertEqual(200, self.request(daemon).status)
        self.assertGreater(len(busy.calls), 0)

    def test_retry_after_may_be_disregarded(self):
        daemon = self.through(answers(503, fields={"Retry-After": "60"}), answers(),
                              route=self.retry(respect_retry_after="off"))
        self.assertEqual(200, self.request(daemon).status)

    def test_the_retries_of_a_retry_are_suppressed(self):
        nested = {"x-outrigger-attempt": "2"}
        daemon = self.through(answers(503), answers())
        self.assertEqual(503, self.request(daemon, fields=nested).status)
        daemon.wait_metric("retries_denied_total", 1, cause="nested")
        self.assertEqual(2, self.seen.calls[0].attempt)
        daemon = self.through(answers(503), answers(), route=self.retry(nested="allow"))
        self.assertEqual(200, self.request(daemon, fields=nested).status)
        self.assertEqual([2, 2], [call.attempt for call in self.seen.calls])

    def test_a_nested_request_that_was_not_sent_is_tried_again(self):
        good = self.origin()
        daemon = self.proxy(free_address(), good, upstream=RICH)
        for _ in range(4):
            self.assertEqual(200, self.request(daemon, fields={"x-outrigger-attempt": "2"}).status)

    def test_an_upstream_proxys_word_on_retries_is_obeyed_and_hidden(self):
        say = {"no": answers(503, b"no", {"x-outrigger-retry": "no"}),
               "elsewhere": answers(503, b"elsewhere", {"x-outrigger-retry": "elsewhere"})}
        for word, (status, tries) in {"no": (503, 1), "elsewhere": (200, 2)}.items():
            with self.subTest(word):
                first, second = (self.origin(lambda call: self.say_once(call, say[word]))
                                 for _ in range(2))
                self.said = False
                daemon = self.proxy(first, second, route=self.RETRY, upstream=NO_EJECTION)
                body = os.urandom(20_000)
                response = self.request(daemon, "POST", body=body)
                self.assertEqual(status, response.status)
                self.assertEqual([body] * tries,
                                 [call.body for call in first.calls + second.calls])
                self.assertNotIn("x-outrigger-retry", response.fields)
        daemon = self.through(say["elsewhere"], answers())  # there is no elsewhere
        response = self.request(daemon)
        self.assert_upstream_answer(response, 503, b"elsewhere")
        self.assertNotIn("x-outrigger-retry", response.fields)

    def test_a_post_that_nobody_else_can_take_is_told_so_whatever_its_size(self):
        refusal = answers(503, b"elsewhere", {"x-outrigger-retry": "elsewhere"})
        small, large = (request_bytes("POST", "/", body=b"x" * size) for size in (1, 20_000))
        for name, (first, rest) in {"small": (small, b""), "large": (large, b""),
                                    "in two reads": (large[:15_000], large[15_000:])}.items():
            with self.subTest(name):
                daemon = self.through(answers(), refusal, answers())
                client = self.client(daemon)
                self.assertEqual(200, client.get().status)
                client.send(first)
                self.seen.wait_calls(2)
                client.send(rest)
                response = client.read_response("POST")
                self.assert_upstream_answer(response, 503, b"elsewhere")
                daemon.wait_metric("retries_denied_total", 1, cause="no-other-endpoint")

    def test_a_post_that_was_let_go_is_not_sent_in_part_to_who_comes_later(self):
        gate = self.gate()
        refusal = answers(503, b"elsewhere", {"x-outrigger-retry": "elsewhere"})
        first = self.origin(in_turn(answers(), waits_for(gate, refusal)))
        later = self.origin()
        later.refuse()
        check = {"tcp": {}, "interval": "50ms", "no_traffic_interval": "50ms",
                 "healthy_threshold": 1, "unhealthy_threshold": 1}
        daemon = self.proxy(first, later, route=self.RETRY, upstream={
            **NO_EJECTION, "health_check": check, "load_balancer": {"panic_threshold_percent": "off"}})
        daemon.wait_metric("upstream_endpoints", 1, upstream="u", state="unhealthy")
        client = self.client(daemon)
        self.assertEqual(200, client.get().status)
        client.send_request("POST", "/", body=b"x" * 20_000)
        first.wait_calls(2)
        later.start()
        daemon.wait_metric("upstream_endpoints", 2, upstream="u", state="healthy")
        gate.set()
        self.assert_upstream_answer(client.read_response("POST"), 503, b"elsewhere")
        daemon.wait_metric("retries_denied_total", 1, cause="no-other-endpoint")
        self.assertEqual([], later.calls)

    def test_a_post_is_kept_only_while_there_is_a_use_for_it(self):
        arrived, gate = self.gate(), self.gate()

        def behave(call):
            call.body
            arrived.set()
            call.wait(gate)
            call.answer()
        body = b"x" * 20_000
        for endpoints, method, kept in ((1, "POST", 0), (2, "POST", 20_000), (1, "PUT", 20_000)):
            with self.subTest(f"{method}, {endpoints} endpoints"):
                origins = [self.origin(behave) for _ in range(endpoints)]
                daemon = self.proxy(*origins, route=self.RETRY)
                client = self.client(daemon)
                gate.set()
                self.assertEqual(200, client.get().status)  # there is a connection from now on
                gate.clear()
                arrived.clear()
                client.send_request(method, "/", body=body)
                arrived.wait(GUARD)
                daemon.wait_metric("buffered_bytes", kept)
                gate.set()
                self.assertEqual(200, client.read_response(method).status)

    def test_a_post_may_go_wrong_behind_a_piece_that_is_not_kept_yet(self):
        head = request_bytes("POST", "/", [("Transfer-Encoding", "chunked")])
        piece = chunk(b"x" * 9_000)
        for rest, status in ((b"no chunk\r\n", 400), (piece, 413)):
            with self.subTest(status):
                origin = self.origin()
                daemon = self.proxy(origin, route={**self.RETRY, "limits": {"max_body_bytes": 10_000}})
                client = self.client(daemon)
                self.assertEqual(200, client.get().status)
                client.send(head + piece + rest)
                self.assertEqual(status, client.read_response("POST").status)
                self.assertEqual(200, self.request(daemon).status)

    def test_a_large_post_that_came_too_early_is_sent_again_whole(self):
        body = os.urandom(20_000)
        daemon = self.through(answers(), answers(425), answers(),
                              route=self.retry(retry_on=["retriable-4xx"]))
        client = self.client(daemon)
        self.assertEqual(200, client.get().status)
        self.assertEqual(200, client.request("POST", "/", body=body).status)
        self.assertEqual([b"", body, body], [call.body for call in self.seen.calls])

    def say_once(self, call, say):
        said, self.said = self.said, True
        call.answer() if said else say(call)

    def test_the_budget_bounds_the_retries(self):
        origin = self.origin(answers(503, b"theirs"))
        daemon = self.proxy(origin, route=self.RETRY, upstream={
            **NO_EJECTION, "retry_budget": {"percent": 20, "min_per_second": 0.5, "window": "1m"}})
        first = 300
        client = self.client(daemon)
        for _ in range(first):
            self.assert_upstream_answer(client.get(), 503, b"theirs")
        retries = len(origin.calls) - first
        self.assertLessEqual(retries, 0.2 * first + 0.5 * 60)
        self.assertGreaterEqual(retries, 0.1 * first)
        daemon.wait_metric("retries_total", retries)
        self.assertGreater(daemon.metric("retries_denied_total", cause="budget"), 0)
        self.assertLess(daemon.metric("retry_budget_remaining", upstream="u"), 1)

    def test_without_a_budget_nothing_is_tried_again(self):
        daemon = self.through(answers(503), answers(), upstream={
            "retry_budget": {"percent": 0, "min_per_second": 0}})
        self.assertEqual(503, self.request(daemon).status)
        daemon.wait_metric("retries_denied_total", 1, cause="budget")

    def test_a_retry_that_cannot_end_before_the_deadline_is_not_begun(self):
        daemon = self.through(answers(503, b"theirs", {"Retry-After": "1"}), answers(),
                              route={**self.retry(), "timeouts": {"request": "500ms"}})
        self.assert_upstream_answer(self.request(daemon), 503, b"theirs")
        daemon.wait_metric("retries_denied_total", 1, cause="deadline")

    def test_an_open_breaker_ends_the_retries(self):
        daemon = self.through(answers(503, b"a"), answers(503, b"b"), answers(),
                              route=self.retry(max_retries=5),
                              upstream={"circuit_breaker": {"consecutive_failures": 2}})
        self.assert_upstream_answer(self.request(daemon), 503, b"b")
        self.assertEqual(2, len(self.seen.calls))
        daemon.wait_metric("retries_denied_total", 1, cause="circuit-open")

    def test_a_hundred_posts_through_failures_are_sent_once_each(self):
        def behave(call):
            call.body
            (answers(), resets, answers(503), closes)[call.number % 4](call)
        origin = self.origin(behave)
        daemon = self.proxy(origin, route=self.RETRY, upstream=NO_EJECTION)
        for i in range(100):
            self.request(daemon, "POST", f"/{i}", body=str(i).encode())
        self.assertEqual([f"/{i}" for i in range(100)], [call.target for call in origin.calls])


class LimitsTest(Case):
    def callers(self, daemon, count, fields=()):
        """Connections that have each sent a request, for /0, /1, …"""
        clients = [self.client(daemon) for _ in range(count)]
        for number, client in enumerate(clients):
            client.send_request("GET", f"/{number}", fields)
        return clients

    def test_500_callers_and_50_places(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, upstream={"limits": {
            "max_requests": 50, "pending_timeout": "1m"}}, workers=1)
        clients = self.callers(daemon, 500)
        daemon.wait_metric("upstream_requests_pending", 450, upstream="u")
        daemon.wait_metric("upstream_requests_in_flight", 50, upstream="u")
        origin.wait_calls(50)
        gate.set()
        self.assertEqual([200] * 500, [client.read_response().status for client in clients])
        self.assertEqual((50, 500), (origin.max_busy, len(origin.calls)))
        self.assertLessEqual(origin.max_open, 50)
        daemon.wait_metric("upstream_requests_in_flight", 0, upstream="u")
        daemon.wait_metric("upstream_requests_pending", 0, upstream="u")
        daemon.wait_metric("upstream_limit", 50, upstream="u", limit="max_requests")

    def test_beyond_the_queue_there_is_an_overflow(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, upstream={"limits": {
            "max_requests": 5, "max_pending": 10, "pending_timeout": "1m"}})
        clients = self.callers(daemon, 15)
        daemon.wait_metric("upstream_requests_pending", 10)
        origin.wait_calls(5)
        for _ in range(3):
            self.assert_local(self.request(daemon), 503, "overflow", "connection_limit_reached")
        daemon.wait_metric("overflow_total", 3, upstream="u")
        origin.wait_calls(5)
        gate.set()
        self.assertEqual([200] * 15, [client.read_response().status for client in clients])
        self.assertEqual(5, origin.max_busy)

    def test_without_a_queue_there_is_an_overflow_at_once(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, upstream={"limits": {"max_requests": 2, "max_pending": 0}})
        clients = self.callers(daemon, 2)
        origin.wait_calls(2)
        self.assert_local(self.request(daemon), 503, "overflow", "connection_limit_reached")
        daemon.wait_metric("overflow_total", 1, upstream="u")
        gate.set()
        self.assertEqual([200, 200], [client.read_response().status for client in clients])
        self.assertEqual(200, self.request(daemon).status)

    def test_a_wait_beyond_pending_timeout_is_a_queue_timeout(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, upstream={"limits": {
            "max_requests": 1, "pending_timeout": "200ms"}})
        clients = self.callers(daemon, 1)
        origin.wait_calls(1)
        self.assert_local(self.request(daemon), 503, "queue-timeout", "connection_limit_reached")
        daemon.wait_metric("upstream_requests_pending", 0)
        gate.set()
        self.assertEqual(200, clients[0].read_response().status)
        self.assertEqual(1, len(origin.calls))

    def test_a_deadline_that_ends_in_the_queue_is_a_504(self):
        gate = self.gate()
        origin = self.origin(by_target(hold=waits_for(gate)))
        daemon = self.proxy(origin, route={"timeouts": {"request": "300ms"}},
                            upstream={"limits": {"max_requests": 1, "pending_timeout": "1m"}})
        holder = self.client(daemon)
        holder.send_request("POST", "/hold", {"Content-Length": "1"})  # not over: no deadline yet
        origin.wait_calls(1)
        self.assert_local(self.request(daemon), 504, "timeout", "http_response_timeout")
        holder.send("x")
        gate.set()
        self.assertEqual(200, holder.read_response().status)

    def test_a_waiter_that_goes_away_leaves_the_queue(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, upstream={"limits": {
            "max_requests": 1, "pending_timeout": "1m"}})
        clients = self.callers(daemon, 3)
        daemon.wait_metric("upstream_requests_pending", 2)
        origin.wait_calls(1)
        # Which of the three is served first is open: only one that waits may leave.
        served = origin.calls[0].target
        leaving = next(i for i in range(3) if f"/{i}" != served)
        clients[leaving].close()
        daemon.wait_metric("upstream_requests_pending", 1)
        gate.set()
        for i in range(3):
            if i != leaving:
                self.assertEqual(200, clients[i].read_response().status)
        self.assertEqual(2, len(origin.calls))

    def test_the_queue_is_first_come_first_served(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, upstream={"limits": {
            "max_requests": 1, "pending_timeout": "1m"}}, workers=1)  # of several, its own come first
        clients = []
        for i in range(6):
            client = self.client(daemon)
            client.send_request("GET", f"/{i}")
            origin.wait_calls(1)
            daemon.wait_metric("upstream_requests_pending", i)
            clients.append(client)
        gate.set()
        for client in clients:
            client.read_response()
        self.assertEqual([f"/{i}" for i in range(6)], [call.target for call in origin.calls])

    def test_max_connections_bounds_the_connections(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, upstream={"limits": {
            "max_connections": 3, "pending_timeout": "1m"}}, workers=1)
        clients = self.callers(daemon, 10)
        daemon.wait_metric("upstream_requests_pending", 7)
        gate.set()
        self.assertEqual([200] * 10, [client.read_response().status for client in clients])
        self.assertEqual((3, 3), (origin.connections, origin.max_open))

    def test_an_idle_connection_elsewhere_makes_room(self):
        first, second = self.origin(), self.origin()
        daemon = self.proxy(first, second, upstream={
            "limits": {"max_connections": 1, "max_pending": 0},
            "load_balancer": {"policy": "round_robin"}})
        for _ in range(4):
            self.assertEqual(200, self.request(daemon).status)
            self.eventually(lambda: first.open + second.open <= 1)
        self.assertEqual((2, 2), (len(first.calls), len(second.calls)))

    def test_an_endpoint_at_its_own_limit_is_skipped(self):
        for limit in ("max_requests_per_endpoint", "max_connections_per_endpoint"):
            with self.subTest(limit):
                gate = self.gate()
                origins = [self.origin(waits_for(gate)) for _ in range(3)]
                daemon = self.proxy(*origins, upstream={
                    "limits": {limit: 2, "pending_timeout": "1m"},
                    "load_balancer": {"policy": "random"}})
                clients = self.callers(daemon, 8)
                daemon.wait_metric("upstream_requests_pending", 2)
                self.eventually(lambda: [origin.busy for origin in origins] == [2, 2, 2])
                gate.set()
                self.assertEqual([200] * 8, [client.read_response().status for client in clients])
                self.assertEqual([2, 2, 2], [origin.max_busy for origin in origins])

    def test_an_idle_connection_counts_for_its_endpoints_limit(self):
        gate = self.gate()
        origin = self.origin(in_turn(answers(503), waits_for(gate)))
        daemon = self.proxy(origin, route={"retry": {}}, upstream={
            "limits": {"max_connections_per_endpoint": 1}, "timeouts": {"idle": "10m"}})
        client = self.client(daemon)
        client.send_request("GET", "/")
        self.eventually(lambda: len(origin.calls) == 2, "the retry, on a new connection")
        origin.wait_open(1)
        gate.set()
        self.assertEqual(200, client.read_response().status)
        self.assertEqual([0, 1], [call.connection for call in origin.calls])

    def test_an_upstream_connection_ends_after_so_many_requests(self):
        origin = self.origin()
        daemon = self.proxy(origin, upstream={"limits": {"max_requests_per_connection": 3}})
        client = self.client(daemon)
        for _ in range(7):
            client.get()
        self.assertEqual([0, 0, 0, 1, 1, 1, 2], [call.connection for call in origin.calls])

    def test_a_callers_connection_ends_after_so_many_requests(self):
        daemon = self.proxy(self.origin(), listener={"limits": {"max_requests_per_connection": 3}})
        client = self.client(daemon)
        closing = ["close" in client.get().fields.tokens("Connection") for _ in range(3)]
        self.assertEqual([False, False, True], closing)
        self.assertEqual(b"", client.read_to_end())

    def test_a_routes_bulkhead_has_no_queue(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, route={"limits": {"max_requests": 2}})
        clients = self.callers(daemon, 2)
        origin.wait_calls(2)
        self.assert_local(self.request(daemon), 503, "overflow", "connection_limit_reached")
        gate.set()
        self.assertEqual([200, 200], [client.read_response().status for client in clients])
        self.assertEqual(200, self.request(daemon).status)

    def test_a_place_is_not_held_in_backoff(self):
        origin = self.origin(by_target(retried=answers(503, fields={"Retry-After": "8"})))
        daemon = self.proxy(origin, upstream={"limits": {"max_requests": 1, "max_pending": 0}},
                            route={"retry": {"respect_retry_after": "10s"}})
        client = self.client(daemon)
        client.send_request("GET", "/retried")
        origin.wait_calls(1)
        self.eventually(lambda: self.request(daemon, target="/other").status == 200, within=6)

    def test_bodies_beyond_the_bound_are_a_413(self):
        for where in ("route", "listener"):
            with self.subTest(where):
                origin = self.origin()
                daemon = self.proxy(origin, **{where: {"limits": {"max_body_bytes": "1KiB"}}})
                self.assertEqual(200, self.request(daemon, "PUT", body=b"x" * 1024).status)
                client = self.client(daemon)
                client.send_request("PUT", "/", {"Content-Length": "1025"})
                self.assert_local(client.read_response(), 413, "body-too-large",
                                  "http_request_error")
                self.assertEqual(1, len(origin.calls))
                client = self.client(daemon)
                client.send_request("PUT", "/", {"Transfer-Encoding": "chunked"})
                client.send(b"400\r\n" + b"x" * 1024 + b"\r\n1\r\nx\r\n0\r\n\r\n")
                self.assert_local(client.read_response(), 413, "body-too-large")

    def test_heads_beyond_the_bounds_are_refused(self):
        daemon = self.proxy(self.origin(), listener={"limits": {
            "max_head_bytes": "4KiB", "max_headers": 10, "max_uri_bytes": "1KiB"}})
        table = [(request_bytes("GET", "/" + "x" * 2000), 414, "uri-too-long"),
                 (request_bytes("GET", "/", {"A": "x" * 5000}), 431, "head-too-large"),
                 (b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 9000, 431, "head-too-large"),
                 (request_bytes("GET", "/", [("A", "b")] * 20), 431, "head-too-large")]
        for data, status, reason in table:
            response, client = self.raw(daemon, data)
            self.assert_local(response, status, reason, "http_request_error")
            client.close()
        self.assertEqual(200, self.request(daemon, target="/" + "x" * 900,
                                           fields=[("A", "b")] * 9).status)

    def test_connections_beyond_the_bound_are_refused_at_once(self):
        for config in ({"listener": {"limits": {"max_connections": 3}}},
                       {"overload": {"max_connections": 3}}):
            with self.subTest(str(config)):
                daemon = self.proxy(self.origin(), **config)
                clients = [self.client(daemon) for _ in range(3)]
                for client in clients:
                    client.get()
                fourth = self.client(daemon)
                self.assert_local(fourth.read_response(), 503, "overflow",
                                  "connection_limit_reached")
                self.assertEqual(b"", fourth.wait_closed())
                daemon.wait_metric("overflow_total", 1, upstream="")
                clients[0].close()
                daemon.wait_metric("downstream_connections", 2, listener="main")
                self.assertEqual(200, self.request(daemon).status)


class CircuitBreakerTest(Case):
    def breaker(self, scope, behave, upstream=None, route=None, **options):
        """A daemon with a breaker on `upstream` or `route`; no retries, no ejection."""
        self.seen = self.origin(behave)
        route, upstream = {"retry": "off", **(route or {})}, {**NO_EJECTION, **(upstream or {})}
        {"route": route, "upstream": upstream}[scope]["circuit_breaker"] = options
        return self.proxy(self.seen, route=route, upstream=upstream)

    def expect_state(self, daemon, scope, state):
        name = {"route": "r", "upstream": "u"}[scope]
        number = {"closed": 0, "half-open": 1, "open": 2}[state]
        daemon.wait_metric("circuit_breaker_state", number, scope=scope, name=name)

    def when_healthy(self, call):
        call.answer(200 if self.healthy else 503)

    def test_it_opens_refuses_probes_and_closes(self):
        for scope in ("route", "upstream"):
            with self.subTest(scope):
                self.healthy = False
                daemon = self.breaker(scope, self.when_healthy, consecutive_failures=3,
                                      open_for="1s", half_open_requests=2)
                for _ in range(3):
                    self.assert_upstream_answer(self.request(daemon), 503)
                self.expect_state(daemon, scope, "open")
                refused = self.request(daemon)
                self.assert_local(refused, 503, "circuit-open", "destination_unavailable")
                self.assertIn(refused.fields.get("Retry-After"), ("1", "2"))
                self.assertEqual(3, len(self.seen.calls))
                daemon.wait_metric("circuit_breaker_rejected_total", 1, scope=scope)
                daemon.wait_metric("local_replies_total", 1, reason="circuit-open")

                self.healthy = True
                self.eventually(lambda: self.request(daemon).status == 200, "half-open")
                self.expect_state(daemon, scope, "half-open")
                self.assertEqual(200, self.request(daemon).status)
                self.expect_state(daemon, scope, "closed")
                for to in ("open", "half-open", "closed"):
                    daemon.wait_metric("circuit_breaker_transitions_total", 1, scope=scope, to=to)

    def test_a_failed_probe_opens_it_again_for_longer(self):
        daemon = self.breaker("upstream", answers(503), consecutive_failures=1, open_for="300ms",
                              max_open_for="1m")
        self.assertEqual(503, self.request(daemon).status)
        for probes in (2, 3):
            self.eventually(lambda: (self.request(daemon), len(self.seen.calls) == probes)[1])
            self.expect_state(daemon, "upstream", "open")
        # 300 ms doubled twice, less the jitter.
        self.assertGreaterEqual(int(self.request(daemon).fields.get("Retry-After")), 1)
        daemon.wait_metric("circuit_breaker_transitions_total", 3, to="open")

    def test_only_so_many_probes_are_on_their_way_at_once(self):
        gate = self.gate()
        behaviour = in_turn(answers(503), waits_for(gate))
        daemon = self.breaker("upstream", behaviour, consecutive_failures=1, open_for="100ms",
                              half_open_requests=2)
        self.request(daemon)
        probes = [self.client(daemon) for _ in range(2)]
        for number, probe in enumerate(probes):
            def admitted(probe=probe, number=number):
                probe.send_request("GET", "/")
                self.eventually(lambda: not probe.is_open() or len(self.seen.calls) == 2 + number)
                if len(self.seen.calls) == 2 + number:
                    return True
                probe.read_response()
                return False
            self.eventually(admitted)
        for _ in range(5):
            self.assert_local(self.request(daemon), 503, "circuit-open")
        gate.set()
        self.assertEqual([200, 200], [probe.read_response().status for probe in probes])
        self.expect_state(daemon, "upstream", "closed")

    def test_it_opens_by_rate(self):
        daemon = self.breaker("upstream", lambda call: call.answer(503 if call.number % 2 else 200),
                              min_requests=20, failure_rate_percent=50, consecutive_failures="off",
                              open_for="1m")
        for number in range(19):
            self.request(daemon)
        self.expect_state(daemon, "upstream", "closed")
        self.request(daemon)
        self.expect_state(daemon, "upstream", "open")
        self.assertEqual(20, len(self.seen.calls))

    def test_below_the_rate_it_stays_closed(self):
        every_third = lambda call: call.answer(503 if call.number % 3 == 2 else 200)
        daemon = self.breaker("upstream", every_third, min_requests=10, failure_rate_percent=50,
                              consecutive_failures="off")
        for _ in range(60):
            self.request(daemon)
        self.assertEqual(60, len(self.seen.calls))
        self.expect_state(daemon, "upstream", "closed")

    def test_consecutive_failures_count_only_in_slow_traffic_unless_always(self):
        def behave(call):
            answers(200 if call.number < 50 else 503)(call)
        for setting, opens_after in ((5, None), ({"count": 5, "always": True}, 5)):
            daemon = self.breaker("upstream", behave, consecutive_failures=setting,
                                  min_requests=20, open_for="1m", window="1m")
            client = self.client(daemon)
            for _ in range(50 + 8):
                client.get()
            self.assertEqual(50 + (opens_after or 8), len(self.seen.calls), str(setting))

    def test_slow_calls_are_a_rate_of_their_own(self):
        def behave(call):
            time.sleep(0.1)
            call.answer()
        daemon = self.breaker("upstream", behave, min_requests=5, open_for="1m",
                              slow_call={"over": "50ms", "rate_percent": 80})
        for _ in range(5):
            self.assertEqual(200, self.request(daemon).status)
        self.assert_local(self.request(daemon), 503, "circuit-open")

    def test_what_counts_as_a_failure_is_configured(self):
        cases = [(["reset"], resets, True), (["reset"], answers(500), False),
                 (["5xx"], answers(500), True), (["5xx"], answers(404), False),
                 (["timeout"], hangs, True), (["connect-failure"], hangs, False)]
        for failures, behave, opens in cases:
            for scope in ("upstream", "route"):
                with self.subTest(f"{failures} {scope} {opens}"):
                    timeouts = {"request": "100ms"} if behave is hangs else {}
                    daemon = self.breaker(scope, behave, failures=failures, consecutive_failures=2,
                                          route={"timeouts": timeouts}, open_for="1m")
                    for _ in range(3):
                        self.request(daemon)
                    self.assertEqual(2 if opens else 3, len(self.seen.calls))

    def test_refused_connects_open_it(self):
        daemon = self.proxy(free_address(), route={"retry": "off"}, upstream={
            **NO_EJECTION, "circuit_breaker": {"consecutive_failures": 2, "open_for": "1m"}})
        for _ in range(2):
            self.assert_local(self.request(daemon), 502, "connect-failure")
        self.assert_local(self.request(daemon), 503, "circuit-open")

    def test_the_routes_counts_what_the_caller_would_get(self):
        """Failures that a retry mended are none for the route."""
        good, bad = self.origin(), self.origin(answers(503))
        daemon = self.proxy(bad, good, upstream=RICH,
            route={"retry": {"backoff": {"base": "1ms", "max": "1ms"}},
                   "circuit_breaker": {"consecutive_failures": 1}})
        for _ in range(10):
            self.assertEqual(200, self.request(daemon).status)
        self.expect_state(daemon, "route", "closed")

    def test_local_refusals_count_in_neither(self):
        gate = self.gate()
        for scope in ("upstream", "route"):
            daemon = self.breaker(scope, waits_for(gate), consecutive_failures=1, open_for="1m",
                                  upstream={"limits": {"max_requests": 1, "max_pending": 0}})
            holder = self.client(daemon)
            holder.send_request("GET", "/")
            self.seen.wait_calls(1)
            for _ in range(3):
                self.assert_local(self.request(daemon), 503, "overflow")
            self.expect_state(daemon, scope, "closed")
            holder.close()

    def test_a_caller_that_leaves_is_no_failure(self):
        daemon = self.breaker("upstream", hangs, consecutive_failures=1, open_for="1m")
        for count in range(3):
            client = self.client(daemon)
            client.send_request("GET", "/")
            self.seen.wait_calls(count + 1)
            client.close()
            self.seen.wait_open(0)
        daemon.wait_metric("requests_total", 3, code="499")
        self.expect_state(daemon, "upstream", "closed")

    def test_a_probe_whose_caller_leaves_gives_its_place_back(self):
        daemon = self.breaker("upstream", in_turn(answers(503), hangs, answers()),
                              consecutive_failures=1, open_for="100ms", half_open_requests=1)
        self.request(daemon)

        def probing():
            client = self.client(daemon)
            client.send_request("GET", "/")
            self.eventually(lambda: not client.is_open() or len(self.seen.calls) == 2)
            client.close()
            return len(self.seen.calls) == 2
        self.eventually(probing)
        self.eventually(lambda: self.request(daemon).status == 200)
        self.expect_state(daemon, "upstream", "closed")

    def test_observe_counts_and_lets_everything_through(self):
        daemon = self.breaker("upstream", answers(503), consecutive_failures=1, open_for="1m",
                              mode="observe")
        for _ in range(5):
            self.assert_upstream_answer(self.request(daemon), 503)
        self.assertEqual(5, len(self.seen.calls))
        self.assertGreaterEqual(daemon.metric("circuit_breaker_transitions_total", to="open"), 1)

    def test_without_a_block_there_is_none(self):
        origin = self.origin(answers(503))
        daemon = self.proxy(origin)
        for _ in range(30):
            self.request(daemon)
        self.assertEqual(30, len(origin.calls))


class OutlierDetectionTest(Case):
    RETRY = {"retry": {"backoff": {"base": "1ms", "max": "2ms"},
                       "retry_on": ["default", "5xx"]}}

    def three(self, bad, outlier, route=None, good=None, count=3):
        """A daemon before endpoints of which the first is bad."""
        self.origins = [self.origin(bad), *[self.origin(good) for _ in range(count - 1)]]
        return self.proxy(*self.origins, route=route or self.RETRY, upstream={
            "outlier_detection": outlier, "load_balancer": {"policy": "round_robin"},
            "retry_budget": {"percent": 100}})

    def endpoints(self, daemon, state):
        return daemon.metric("upstream_endpoints", upstream="u", state=state)

    def drive(self, daemon, count):
        client = self.client(daemon)
        return [client.get().status for _ in range(count)]

    def test_an_endpoint_that_fails_in_a_row_gets_nothing_more(self):
        cases = [("consecutive_gateway_errors", answers(503), "consecutive_gateway_errors"),
                 ("consecutive_5xx", answers(500), "consecutive_5xx"),
                 ("consecutive_local_origin_failures", resets, "consecutive_local_origin_failures")]
        for key, bad, _ in cases:
            with self.subTest(key):
                others = {"consecutive_gateway_errors": "off", "consecutive_5xx": "off",
                          "consecutive_local_origin_failures": "off"}
                daemon = self.three(bad, {**others, key: 3, "base_ejection_time": "1m"})
                self.assertEqual([200] * 60, self.drive(daemon, 60))
                self.assertEqual(3, len(self.origins[0].calls))
                self.assertEqual((1, 2), (self.endpoints(daemon, "ejected"),
                                          self.endpoints(daemon, "healthy")))
                daemon.wait_metric("outlier_ejections_total", 1, upstream="u", mode="enforce")

    def test_refused_connects_eject_without_a_block(self):
        good = self.origin()
        daemon = self.proxy(free_address(), good,
                            upstream={"load_balancer": {"policy": "round_robin"},
                                      "retry_budget": {"percent": 100}})
        self.assertEqual([200] * 40, self.drive(daemon, 40))
        daemon.wait_metric("upstream_attempts_total", 5, outcome="connect-failure")
        self.assertEqual(1, self.endpoints(daemon, "ejected"))

    def test_statuses_do_not_eject_without_a_block(self):
        self.origins = [self.origin(answers(503)), self.origin()]
        daemon = self.proxy(*self.origins, upstream={"load_balancer": {"policy": "round_robin"}})
        self.drive(daemon, 40)
        self.assertEqual(20, len(self.origins[0].calls))

    def test_a_success_between_resets_the_count(self):
        daemon = self.three(lambda call: answers(503 if call.number % 3 else 200)(call),
                            {"consecutive_gateway_errors": 3})
        self.drive(daemon, 60)
        self.assertEqual(0, self.endpoints(daemon, "ejected"))

    def test_after_its_time_an_endpoint_is_on_probation_and_comes_back(self):
        self.healthy = False
        daemon = self.three(lambda call: answers(200 if self.healthy else 503)(call),
                            {"consecutive_gateway_errors": 3, "base_ejection_time": "1s"})
        self.drive(daemon, 30)
        self.assertEqual(1, self.endpoints(daemon, "ejected"))
        ejected_at = len(self.origins[0].calls)
        self.healthy = True
        self.eventually(lambda: (self.drive(daemon, 5),
                                 len(self.origins[0].calls) > ejected_at)[1])
        self.eventually(lambda: self.endpoints(daemon, "healthy") == 3)
        before = len(self.origins[0].calls)
        self.drive(daemon, 30)
        self.assertAlmostEqual(before + 10, len(self.origins[0].calls), delta=2)

    def test_a_failure_on_probation_ejects_again_at_once(self):
        daemon = self.three(answers(503), {"consecutive_gateway_errors": 3,
                                           "base_ejection_time": "1s"})
        self.drive(daemon, 30)
        self.assertEqual(3, len(self.origins[0].calls))
        self.eventually(lambda: (self.drive(daemon, 3), len(self.origins[0].calls) > 3)[1])
        self.assertEqual(4, len(self.origins[0].calls))
        daemon.wait_metric("outlier_ejections_total", 2, upstream="u")
        self.assertEqual(1, self.endpoints(daemon, "ejected"))

    def test_probation_is_one_request_at_a_time(self):
        gate = self.gate()
        self.hold = False

        def bad(call):
            if self.hold:
                call.wait(gate)
                return call.answer()
            call.answer(503)
        daemon = self.three(bad, {"consecutive_gateway_errors": 3, "base_ejection_time": "1s"})
        self.drive(daemon, 30)
        self.hold = True
        seen = len(self.origins[0].calls)
        probe = []

        def probing():
            client = self.client(daemon)
            client.send_request("GET", "/")
            self.eventually(lambda: not client.is_open() or len(self.origins[0].calls) > seen)
            probe[:] = [client]
            return len(self.origins[0].calls) > seen
        self.eventually(probing)
        self.assertEqual(1, self.endpoints(daemon, "probation"))
        self.assertEqual([200] * 30, self.drive(daemon, 30))
        self.assertEqual(seen + 1, len(self.origins[0].calls))
        gate.set()
        self.assertEqual(200, probe[0].read_response().status)
        self.eventually(lambda: self.endpoints(daemon, "healthy") == 3)

    def test_a_lone_endpoint_is_never_ejected(self):
        daemon = self.three(resets, {"consecutive_local_origin_failures": 2}, count=1,
                            route={"retry": "off"})
        self.drive(daemon, 10)
        self.assertEqual(10, len(self.origins[0].calls))
        self.assertEqual(0, self.endpoints(daemon, "ejected"))
        self.assertGreater(daemon.metric("outlier_ejections_denied_total", cause="lone"), 0)

    def test_no_more_are_ejected_than_the_caps_allow(self):
        table = [  # endpoints, max_ejection_percent, min_available → ejected
            (2, 50, 1, 1), (3, 50, 1, 1), (4, 50, 1, 2), (5, 50, 1, 2), (4, 100, 1, 3),
            (4, 100, 3, 1), (3, 0, 1, 0)]
        for count, percent, available, expected in table:
            with self.subTest(f"{count} {percent} % {available}"):
                daemon = self.three(resets, {
                    "consecutive_local_origin_failures": 2, "max_ejection_percent": percent,
                    "min_available": available, "base_ejection_time": "1m"},
                    route={"retry": "off"}, good=resets, count=count)
                self.drive(daemon, 12 * count)
                self.assertEqual(expected, self.endpoints(daemon, "ejected"))
                self.assertGreater(daemon.metric("outlier_ejections_denied_total"), 0)

    def test_a_fault_that_all_share_ejects_nobody(self):
        daemon = self.three(answers(503), {"consecutive_gateway_errors": 3},
                            route={"retry": "off"}, good=answers(503))
        self.drive(daemon, 45)
        self.assertEqual(0, self.endpoints(daemon, "ejected"))
        self.assertGreater(daemon.metric("outlier_ejections_denied_total", cause="common-mode"), 0)

    def test_501_505_and_429_never_count(self):
        for status in (501, 505, 429):
            daemon = self.three(answers(status), {
                "consecutive_5xx": 2, "consecutive_gateway_errors": 2}, route={"retry": "off"})
            self.drive(daemon, 30)
            self.assertEqual(10, len(self.origins[0].calls), status)

    def test_observe_counts_and_ejects_nobody(self):
        daemon = self.three(answers(503), {"consecutive_gateway_errors": 3, "mode": "observe"})
        self.drive(daemon, 30)
        self.assertGreaterEqual(len(self.origins[0].calls), 10)
        self.assertGreaterEqual(daemon.metric("outlier_ejections_total", mode="observe"), 1)
        self.assertEqual(0, self.endpoints(daemon, "ejected"))

    def test_no_usable_endpoint_is_a_503(self):
        daemon = self.three(resets, {"consecutive_local_origin_failures": 1,
                                     "max_ejection_percent": 100, "min_available": 0,
                                     "base_ejection_time": "1m"}, route={"retry": "off"},
                            good=resets, count=2)
        self.drive(daemon, 4)
        self.assertEqual(2, self.endpoints(daemon, "ejected"))
        self.assert_local(self.request(daemon), 503, "no-healthy-upstream",
                          "destination_unavailable")


class LoadBalancingTest(Case):
    def spread(self, policy, weights, count=400):
        """How many of `count` sequential requests each endpoint got."""
        origins = [self.origin() for _ in weights]
        endpoints = [{"address": origin.address, "weight": weight}
                     for origin, weight in zip(origins, weights)]
        daemon = self.proxy(upstream={"endpoints": endpoints, "load_balancer": {"policy": policy}})
        client = self.client(daemon)
        for _ in range(count):
            self.assertEqual(200, client.get().status)
        return [len(origin.calls) for origin in origins], origins

    def test_round_robin_is_smooth_and_weighted(self):
        counts, origins = self.spread("round_robin", [1, 1, 2], 40)
        self.assertEqual([10, 10, 20], counts)

    def test_random_goes_by_weight(self):
        counts, _ = self.spread("random", [1, 3], 400)
        # 100 expected, standard deviation 8.7: six of them.
        self.assertTrue(48 <= counts[0] <= 152, counts)

    def test_least_request_uses_all_endpoints_alike(self):
        counts, _ = self.spread("least_request", [1, 1, 1], 300)
        # 100 expected, standard deviation 8.2: six of them.
        self.assertTrue(all(51 <= count <= 149 for count in counts), counts)

    def test_busy_endpoints_are_spared(self):
        for policy in ("least_request", "p2c_ewma"):
            with self.subTest(policy):
                gate = self.gate()
                origins = [self.origin(waits_for(gate)) for _ in range(2)]
                daemon = self.proxy(*origins, upstream={"load_balancer": {"policy": policy}})
                clients = []
                for count in range(1, 21):
                    client = self.client(daemon)
                    client.send_request("GET", "/")
                    clients.append(client)
                    self.eventually(lambda: sum(origin.busy for origin in origins) == count)
                # Of two endpoints both are always compared, so they fill evenly.
                self.assertLessEqual(abs(origins[0].busy - origins[1].busy), 2)
                gate.set()
                for client in clients:
                    client.read_response()

    def test_p2c_avoids_a_slow_endpoint(self):
        def slow(call):
            time.sleep(0.05)
            call.answer()
        origins = [self.origin(slow), self.origin(), self.origin()]
        client = self.client(self.proxy(*origins))
        for _ in range(200):
            client.get()
        self.assertLess(len(origins[0].calls), 40)

    def test_p2c_is_not_attracted_by_failing_fast(self):
        def working(call):
            time.sleep(0.005)
            call.answer()
        origins = [self.origin(answers(500)), self.origin(working), self.origin(working)]
        client = self.client(self.proxy(*origins))
        for _ in range(200):
            client.get()
        self.assertLess(len(origins[0].calls), 67)


class RoutingTest(Case):
    def routed(self, *routes, listener=None):
        """A daemon whose routes answer their own names."""
        routes = [{"name": f"r{i}", "respond": {"status": 200, "body": f"r{i}"}, **route}
                  for i, route in enumerate(routes)]
        config = self.config(free_address())
        config["listeners"] = [{"name": "main", "routes": routes, **(listener or {})}]
        return self.start(config)

    def ask(self, daemon, target="/", method="GET", host="h", fields=()):
        return self.request(daemon, method, target, fields, host=host).text

    def test_precedence_not_order_decides(self):
        routes = [
            {},                                                               # r0 everything
            {"match": {"path_prefix": "/a"}},                                 # r1
            {"match": {"path_prefix": "/a/b"}},                               # r2
            {"match": {"path": "/a/b"}},                                      # r3
            {"match": {"path_regex": "^/a.*z$"}},                             # r4
            {"match": {"hosts": ["*.example.com"]}},                          # r5
            {"match": {"hosts": ["*.deep.example.com"]}},                     # r6
            {"match": {"hosts": ["www.example.com"]}},                        # r7
            {"match": {"path_prefix": "/a", "methods": ["POST"]}},            # r8
            {"match": {"path_prefix": "/a", "headers": [{"name": "x", "value": "1"}]}},   # r9
            {"match": {"path_prefix": "/a", "headers": [{"name": "x", "value": "1"},
                                                        {"name": "y", "present": True}]}},   # r10
        ]
        table = [
            ("/", {}, "r0"), ("/a", {}, "r1"), ("/a/", {}, "r1"), ("/a/x", {}, "r1"),
            ("/ab", {}, "r0"), ("/a/bc", {}, "r1"), ("/a/b/c", {}, "r2"), ("/a/b", {}, "r3"),
            ("/a/b?q=1", {}, "r3"), ("/a/b/", {}, "r2"), ("/axz", {}, "r4"),
            ("/a/z", {}, "r1"), ("/%61", {}, "r1"), ("/a%2Fb", {}, "r0"),
            ("/", {"host": "x.example.com"}, "r5"), ("/", {"host": "x.deep.example.com"}, "r6"),
            ("/", {"host": "www.example.com"}, "r7"), ("/", {"host": "WWW.Example.COM:8080"}, "r7"),
            ("/", {"host": "example.com"}, "r0"), ("/a", {"host": "www.example.com"}, "r7"),
            ("/a", {"method": "POST"}, "r8"), ("/a/b/c", {"method": "POST"}, "r2"),
            ("/a", {"fields": {"X": "1"}}, "r9"), ("/a", {"fields": {"X": "2"}}, "r1"),
            ("/a", {"fields": {"X": "1", "Y": ""}}, "r10"),
            ("/a", {"method": "POST", "fields": {"X": "1"}}, "r8"),
        ]
        daemon = self.routed(*routes)
        for target, options, expected in table:
            with self.subTest(f"{target} {options}"):
                self.assertEqual(expected, self.ask(daemon, target, **options))

    def test_header_matches(self):
        daemon = self.routed(
            {"match": {"path": "/value", "headers": [{"name": "X-A", "value": "one"}]}},
            {"match": {"path": "/prefix", "headers": [{"name": "x-a", "prefix": "on"}]}},
            {"match": {"path": "/regex", "headers": [{"name": "x-a", "regex": "^o.e$"}]}},
            {"match": {"path": "/present", "headers": [{"name": "x-a", "present": True}]}},
            {"match": {"path": "/absent", "headers": [{"name": "x-a", "present": False}]}})
        for number, word in enumerate(("value", "prefix", "regex", "present", "absent")):
            with self.subTest(word):
                hit, miss = ({"X-A": "one"}, {"X-B": "one"})
                if word == "absent":
                    hit, miss = miss, hit
                self.assertEqual(f"r{number}", self.ask(daemon, f"/{word}", fields=hit))
                self.assertEqual(404, self.request(daemon, target=f"/{word}", fields=miss).status)

    def test_a_tie_goes_to_the_one_written_first(self):
        daemon = self.routed({"match": {"path_regex": "^/x"}}, {"match": {"path_regex": "y$"}})
        self.assertEqual("r0", self.ask(daemon, "/xy"))
        self.assertEqual("r1", self.ask(daemon, "/ay"))

    def test_no_route_is_a_404(self):
        daemon = self.routed({"match": {"path": "/only"}})
        self.assert_local(self.request(daemon, target="/other"), 404, "no-route",
                          "destination_not_found")
        daemon.wait_metric("requests_total", 1, route="", upstream="", code="404")

    def test_respond_answers_as_written(self):
        daemon = self.routed({"respond": {"status": 418, "body": "tea\n", "headers": {
            "content-type": "text/x-tea", "X-Pot": "1"}}})
        client = self.client(daemon)
        for method in ("GET", "POST"):
            response = client.request(method, "/", body=b"water")
            self.assertEqual((418, b"tea\n"), (response.status, response.body))
            self.assertEqual("text/x-tea", response.fields.get("Content-Type"))
            self.assertEqual("1", response.fields.get("X-Pot"))
            self.assertNotIn("Proxy-Status", response.fields)
        response = client.request("HEAD", "/")
        self.assertEqual((418, "4"), (response.status, response.fields.get("Content-Length")))
        daemon.wait_metric("requests_total", 3, code="418")
        self.assertEqual(0, daemon.metric("local_replies_total"))

    def test_each_listener_has_its_own_routes(self):
        first, second = self.origin(answers(body=b"1")), self.origin(answers(body=b"2"))
        daemon = self.start({
            "listeners": [{"name": "a", "routes": [{"upstream": "one"}]},
                          {"name": "b", "routes": [{"upstream": "two"}]}],
            "upstreams": {"one": {"endpoints": [first.address]},
                          "two": {"endpoints": [second.address]}}})
        for name, body in (("a", b"1"), ("b", b"2")):
            self.assertEqual(body, self.client(daemon.addresses[name]).get().body)
        daemon.wait_metric("requests_total", 1, listener="a", route="a", upstream="one", code="200")
        daemon.wait_metric("requests_total", 1, listener="b", route="b", upstream="two", code="200")

    def test_defaults_are_merged_key_by_key_and_switched_off(self):
        origin = self.origin(answers(503))
        config = self.config(origin, defaults={"route": {
            "retry": {"max_retries": 2, "backoff": {"base": "1ms", "max": "1ms"}}}})
        config["listeners"][0]["routes"] = [
            {"name": "all", "upstream": "u"},
            {"name": "one", "upstream": "u", "match": {"path": "/one"},
             "retry": {"max_retries": 1}},
            {"name": "off", "upstream": "u", "match": {"path": "/off"}, "retry": "off"}]
        daemon = self.start(config)
        for target, tries in (("/all", 3), ("/one", 2), ("/off", 1)):
            self.request(daemon, target=target)
            self.assertEqual(tries, origin.count(target=target), target)


class NamesTest(Case):
    def test_a_name_is_resolved(self):
        origin = self.origin()
        daemon = self.proxy(f"localhost:{origin.port}")
        self.assertEqual(b"ok", self.request(daemon).body)

    def test_a_name_that_is_unknown_does_not_stop_the_start(self):
        origin = self.origin()
        config = self.config("no-such-name.invalid:80")
        config["listeners"][0]["routes"].append(
            {"name": "good", "match": {"path": "/good"}, "upstream": "v"})
        config["upstreams"]["v"] = {"endpoints": [origin.address]}
        daemon = self.start(config)
        self.assert_local(self.request(daemon), 503, "dns-failure", "dns_error")
        self.assertEqual(200, self.request(daemon, target="/good").status)
        self.assertGreaterEqual(daemon.metric("discovery_failures_total", upstream="u"), 1)

    def test_an_unknown_name_is_told_once_beside_one_that_resolves(self):
        origin = self.origin()
        daemon = self.proxy("no-such-name.invalid:80", f"localhost:{origin.port}",
                            "also-unknown.invalid:80")
        daemon.wait_metric("discovery_failures_total", lambda value: value >= 4, upstream="u")
        self.assertIn("invalid", daemon.admin_json("/upstreams")["upstreams"][0]["resolution_error"])
        for name in "no-such-name", "also-unknown":
            self.assertEqual(1, daemon.log().count(f"cannot resolve {name}.invalid"))
        self.assertNotIn("resolves again", daemon.log())

    def test_a_known_address_serves_beside_an_unknown_name(self):
        origin = self.origin()
        daemon = self.proxy("no-such-name.invalid:80", origin)
        for _ in range(5):
            self.assertEqual(200, self.request(daemon).status)


if __name__ == "__main__":
    unittest.main()
