"""What stands against too much: rate limits, shedding by criticality, buffered bytes, adaptive
concurrency, and the route's own limits.
"""

import signal
import time
import unittest

from harness import Case, waits_for


class RateLimitTest(Case):
    def limited(self, limit, **options):
        return self.proxy(self.origin(), route={"rate_limit": limit}, **options)

    def statuses(self, daemon, count, fields=()):
        client = self.client(daemon)
        return [client.get(fields=fields).status for _ in range(count)]

    def test_the_burst_passes_and_then_429_says_when_to_come_again(self):
        daemon = self.limited({"requests": 3, "per": "1h", "burst": 2})
        client = self.client(daemon)
        self.assertEqual([200, 200], [client.get().status for _ in range(2)])
        refused = client.get()
        self.assert_local(refused, 429, "rate-limited", "http_request_denied")
        self.assertTrue(1100 <= int(refused.fields.get("Retry-After")) <= 1200)
        self.assertNotIn("x-outrigger-retry", refused.fields)  # outbound
        daemon.wait_metric("rate_limited_total", 1, route="r")
        daemon.wait_metric("local_replies_total", 1, route="r", reason="rate-limited")

    def test_on_an_inbound_listener_a_refusal_is_not_to_be_tried_elsewhere(self):
        daemon = self.limited({"requests": 1, "per": "1h"}, listener={"direction": "inbound"})
        self.request(daemon)
        refused = self.request(daemon)
        self.assert_local(refused, 429, "rate-limited")
        self.assertEqual("no", refused.fields.get("x-outrigger-retry"))

    def test_tokens_come_back(self):
        daemon = self.limited({"requests": 10, "per": "1s", "burst": 1})
        self.request(daemon)
        self.eventually(lambda: self.request(daemon).status == 200)

    def test_each_value_of_the_key_has_its_own_bucket(self):
        daemon = self.limited({"requests": 1, "per": "1h", "key": {"header": "X-Tenant"}})
        for tenant in ({"x-tenant": "a"}, {"x-tenant": "b"}, {}):
            self.assertEqual([200, 429, 429], self.statuses(daemon, 3, tenant), tenant)
        daemon.wait_metric("rate_limited_total", 6)

    def test_the_key_not_seen_for_longest_is_forgotten(self):
        daemon = self.limited({"requests": 1, "per": "1h",
                               "key": {"header": "x-tenant", "max_keys": 2}})
        seen = [self.request(daemon, fields={"x-tenant": key}).status for key in "abacab"]
        self.assertEqual([200, 200, 429, 200, 429, 200], seen)

    def test_what_was_spent_stays_spent_over_a_reload(self):
        origin = self.origin()
        config = self.config(origin, route={"rate_limit": {"requests": 2, "per": "1h"}})
        daemon = self.start(config)
        self.assertEqual([200, 200, 429], self.statuses(daemon, 3))
        config["listeners"][0]["routes"][0]["timeouts"] = {"request": "14s"}
        daemon.write_config(config)
        self.assertEqual(200, daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"}).status)
        self.assertEqual([429], self.statuses(daemon, 1))
        self.assertEqual(2, len(origin.calls))

    def test_many_callers_at_once_get_exactly_the_burst(self):
        origin = self.origin()
        daemon = self.proxy(origin, route={"rate_limit": {"requests": 25, "per": "1h"}})
        results = self.many(10, lambda _: self.statuses(daemon, 10))
        self.assertEqual(25, sum(statuses.count(200) for statuses in results))
        self.assertEqual(25, len(origin.calls))

    def test_a_refusal_takes_no_place_and_counts_for_no_breaker(self):
        daemon = self.limited({"requests": 1, "per": "1h"})
        self.statuses(daemon, 3)
        daemon.wait_metric("upstream_attempts_total", 1, upstream="u")
        daemon.wait_metric("requests_in_flight", 0)


def by_criticality(**more):
    """Three routes to `u`, /critical, /normal and /sheddable, named so."""
    return [{"name": word, "match": {"path_prefix": "/" + word}, "upstream": "u",
             "criticality": word, **more} for word in ("critical", "normal", "sheddable")]


class SheddingTest(Case):
    def daemon(self, behave=None, direction="outbound", **overload):
        self.upstream = self.origin(behave)
        return self.start(self.config(self.upstream, listener={
            "routes": by_criticality(), "direction": direction}, overload=overload))

    def assert_shed(self, response):
        self.assert_local(response, 503, "shed", "connection_limit_reached")

    def test_at_the_bound_of_connections_what_is_sheddable_is_refused(self):
        daemon = self.daemon(max_connections=2, direction="inbound")
        one = self.client(daemon)
        self.assertEqual(200, one.get("/sheddable").status)
        other = self.client(daemon)
        self.assertEqual(200, other.get("/normal").status)
        refused = one.get("/sheddable")
        self.assert_shed(refused)
        self.assertEqual("no", refused.fields.get("x-outrigger-retry"))
        self.assertEqual(200, one.get("/normal").status)
        self.assertEqual(200, one.get("/critical").status)
        other.close()
        self.eventually(lambda: one.get("/sheddable").status == 200)
        self.assertGreaterEqual(
            daemon.metric("shed_total", route="sheddable", criticality="sheddable"), 1)
        self.assertEqual(0, daemon.metric("shed_total", route="normal", criticality="normal"))

    def test_what_waited_while_the_loop_stood_still_is_shed_by_criticality(self):
        daemon = self.daemon(max_loop_lag="100ms")
        clients = {word: self.client(daemon) for word in ("critical", "normal", "sheddable")}
        for word, client in clients.items():
            self.assertEqual(200, client.get("/" + word).status)
        daemon.signal(signal.SIGSTOP)
        time.sleep(2)
        for word, client in clients.items():
            client.send_request("GET", "/" + word)
        daemon.signal(signal.SIGCONT)
        answers = {word: client.read_response() for word, client in clients.items()}
        self.assertEqual(200, answers["critical"].status)
        self.assert_shed(answers["normal"])
        self.assert_shed(answers["sheddable"])
        self.eventually(lambda: self.request(daemon, target="/sheddable").status == 200)

    def test_a_lag_bound_that_is_off_sheds_nobody(self):
        daemon = self.daemon(max_loop_lag="off")
        client = self.client(daemon)
        self.assertEqual(200, client.get("/sheddable").status)
        daemon.signal(signal.SIGSTOP)
        time.sleep(1)
        client.send_request("GET", "/sheddable")
        daemon.signal(signal.SIGCONT)
        self.assertEqual(200, client.read_response().status)

    def big(self, call):
        if call.target.endswith("/big"):
            try:
                call.answer(body=b"x" * 8_000_000)
            except OSError:
                pass  # the reader has gone
        else:
            call.answer()

    def stalled(self, daemon):
        """A caller who asks for much and reads nothing."""
        client = self.client(daemon, receive_buffer=4096)
        client.send_request("GET", "/critical/big")
        return client

    def test_what_slow_readers_leave_in_memory_counts_and_sheds(self):
        daemon = self.daemon(self.big, max_buffered_bytes="64KiB")
        self.assertEqual(64 * 1024, daemon.metric("buffered_bytes_limit"))
        self.assertEqual(0, daemon.metric("buffered_bytes"))
        stalled = []
        while (held := daemon.metric("buffered_bytes")) < 128 * 1024:
            stalled.append(self.stalled(daemon))
            self.eventually(lambda: daemon.metric("buffered_bytes") > held)
        self.assertGreater(len(stalled), 3, "one alone must not use it up")
        self.assert_shed(self.request(daemon, target="/normal"))
        self.assert_shed(self.request(daemon, target="/sheddable"))
        self.assertEqual(200, self.request(daemon, target="/critical").status)
        for client in stalled:
            client.reset()
        daemon.wait_metric("buffered_bytes", 0)
        self.assertEqual(200, self.request(daemon, target="/sheddable").status)

    def test_a_slow_reader_holds_little_while_there_is_much(self):
        daemon = self.daemon(self.big, max_buffered_bytes="64MiB")
        self.stalled(daemon)
        self.eventually(lambda: daemon.metric("buffered_bytes") > 0)
        self.assertLess(daemon.metric("buffered_bytes"), 200 * 1024)

    def test_memory_stays_bounded_whoever_asks(self):
        daemon = self.daemon(self.big, max_buffered_bytes="64KiB")
        stalled = [self.stalled(daemon) for _ in range(100)]
        self.eventually(lambda: self.request(daemon, target="/critical").status == 503)
        self.assert_local(self.request(daemon, target="/critical"), 503, "overflow",
                          "connection_limit_reached")
        # Three times the bound, and at most one read of those who came at once.
        self.assertLess(daemon.metric("buffered_bytes"), (3 * 64 + 100 * 8) * 1024)
        for client in stalled:
            client.reset()
        daemon.wait_metric("buffered_bytes", 0)

    def test_a_kept_body_counts_until_its_exchange_is_over(self):
        gate = self.gate()
        daemon = self.daemon(waits_for(gate), max_buffered_bytes="10MiB")
        client = self.client(daemon)
        client.send_request("POST", "/normal", body=b"x" * 50_000)
        self.upstream.wait_calls(1)
        daemon.wait_metric("buffered_bytes", 50_000)
        gate.set()
        self.assertEqual(200, client.read_response("POST").status)
        daemon.wait_metric("buffered_bytes", 0)

    def test_the_automatic_bound_is_logged_and_shown(self):
        daemon = self.daemon()
        limit = int(daemon.metric("buffered_bytes_limit"))
        self.assertGreaterEqual(limit, 1024 * 1024)
        self.assertIn(f"overload.max_buffered_bytes is {limit}", daemon.log())
        shown = daemon.admin_json("/config")["overload"]["max_buffered_bytes"]
        self.assertIn(str(shown), (str(limit), f"{limit // 1024}KiB", f"{limit // 1024 ** 2}MiB",
                                   f"{limit // 1024 ** 3}GiB"))


class AdaptiveConcurrencyTest(Case):
    TWO = {"min": 1, "max": 2, "initial": 2, "queue": 1}

    def held(self, daemon, count, target="/normal", **options):
        """Callers whose requests the origin, a gate, holds back."""
        clients = [self.client(daemon) for _ in range(count)]
        for client in clients:
            client.send_request("GET", target, **options)
        return clients

    def start_gated(self, upstream=None, **route):
        self.go_on = self.gate()
        self.upstream = self.origin(waits_for(self.go_on))
        return self.start(self.config(self.upstream, upstream=upstream,
                                      listener={"routes": by_criticality(**route)}))

    def live(self, daemon, page="upstreams", name="u"):
        entries = daemon.admin_json("/" + page)[page]
        return next(each for each in entries if each["name"] == name)["adaptive_concurrency"]

    def assert_overflow(self, response):
        self.assert_local(response, 503, "overflow", "connection_limit_reached")

    def test_beyond_the_limit_a_few_wait_and_the_rest_is_an_overflow(self):
        daemon = self.start_gated({"adaptive_concurrency": self.TWO})
        self.assertEqual(2, daemon.metric("concurrency_limit", scope="upstream", name="u"))
        two = self.held(daemon, 2)
        self.upstream.wait_calls(2)
        third, = self.held(daemon, 1)
        daemon.wait_metric("upstream_requests_pending", 1)
        self.assert_overflow(self.request(daemon, target="/normal"))
        daemon.wait_metric("overflow_total", 1, upstream="u", limit="adaptive_concurrency")
        live = self.live(daemon)
        self.assertEqual((2, 2, 1), (live["limit"], live["requests_in_flight"],
                                     live["requests_waiting"]))
        self.assertEqual(2, len(self.upstream.calls))
        self.go_on.set()
        for client in two + [third]:
            self.assertEqual(200, client.read_response().status)
        self.eventually(lambda: self.live(daemon)["requests_in_flight"] == 0)

    def test_the_critical_take_the_place_of_the_sheddable(self):
        daemon = self.start_gated({"adaptive_concurrency": self.TWO})
        two = self.held(daemon, 2)
        self.upstream.wait_calls(2)
        waiting, = self.held(daemon, 1, "/sheddable")
        daemon.wait_metric("upstream_requests_pending", 1)
        critical, = self.held(daemon, 1, "/critical")
        self.assert_overflow(waiting.read_response())
        self.go_on.set()
        for client in two + [critical]:
            self.assertEqual(200, client.read_response().status)

    def test_who_waits_too_long_is_told_so(self):
        daemon = self.start_gated({"adaptive_concurrency": self.TWO,
                                   "limits": {"pending_timeout": "200ms"}})
        self.held(daemon, 2)
        self.upstream.wait_calls(2)
        self.assert_local(self.request(daemon, target="/normal"), 503, "queue-timeout")

    def test_observe_counts_and_lets_through(self):
        daemon = self.start_gated({"adaptive_concurrency": {**self.TWO, "mode": "observe"}})
        clients = self.held(daemon, 5)
        self.upstream.wait_calls(5)
        daemon.wait_metric("overflow_total", 3, upstream="u", limit="adaptive_concurrency")
        self.go_on.set()
        self.assertEqual([200] * 5, [client.read_response().status for client in clients])

    def test_an_event_stream_holds_no_place(self):
        gate = self.gate()

        def behave(call):
            if call.target == "/normal/stream":
                call.head(200, {"Content-Type": "text/event-stream"})
                call.over = True
                call.wait(gate)
            else:
                call.answer()
        daemon = self.start(self.config(
            self.origin(behave), listener={"routes": by_criticality()},
            upstream={"adaptive_concurrency": {"min": 1, "max": 1, "initial": 1, "queue": 0}}))
        stream = self.client(daemon)
        stream.send_request("GET", "/normal/stream")
        self.assertEqual(200, stream.read_response_head().status)
        self.assertEqual(200, self.request(daemon, target="/normal").status)

    def test_a_route_has_a_limit_and_a_line_of_its_own(self):
        daemon = self.start_gated(adaptive_concurrency=self.TWO)
        self.assertEqual(2, daemon.metric("concurrency_limit", scope="route", name="normal"))
        two = self.held(daemon, 2)
        self.upstream.wait_calls(2)
        third = self.client(daemon)
        third.send_request("POST", "/normal", body=b"x" * 100_000)
        self.eventually(lambda: self.live(daemon, "routes", "normal")["requests_waiting"] == 1)
        self.assert_overflow(self.request(daemon, target="/normal"))
        daemon.wait_metric("overflow_total", 1, upstream="u", limit="route.adaptive_concurrency")
        other, = self.held(daemon, 1, "/critical")  # another route: its own limit
        self.upstream.wait_calls(3)
        self.go_on.set()
        for client in two + [other]:
            self.assertEqual(200, client.read_response().status)
        self.assertEqual(200, third.read_response("POST").status)
        posted = next(call for call in self.upstream.calls if call.method == "POST")
        self.assertEqual(b"x" * 100_000, posted.body)
        self.eventually(
            lambda: self.live(daemon, "routes", "normal")["requests_in_flight"] == 0)

    def test_who_leaves_a_routes_line_leaves_it(self):
        daemon = self.start_gated(adaptive_concurrency=self.TWO)
        two = self.held(daemon, 2)
        self.upstream.wait_calls(2)
        third, = self.held(daemon, 1)
        self.eventually(lambda: self.live(daemon, "routes", "normal")["requests_waiting"] == 1)
        third.close()
        self.eventually(lambda: self.live(daemon, "routes", "normal")["requests_waiting"] == 0)
        self.go_on.set()
        for client in two:
            self.assertEqual(200, client.read_response().status)
        self.assertEqual(2, len(self.upstream.calls))

    def test_a_limit_that_is_used_grows(self):
        daemon = self.proxy(self.origin(), upstream={
            "adaptive_concurrency": {"min": 1, "max": 100, "initial": 2, "queue": 100}})
        self.many(8, lambda _: self.ask_until(daemon, 4))

    def ask_until(self, daemon, limit):
        client = self.client(daemon)

        def grown():
            self.assertEqual(200, client.get().status)
            return daemon.metric("concurrency_limit") >= limit
        self.eventually(grown)


class RouteLimitsTest(Case):
    def test_max_requests_is_the_routes(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, route={"limits": {"max_requests": 2}})
        clients = [self.client(daemon) for _ in range(2)]
        for client in clients:
            client.send_request("GET", "/")
        origin.wait_calls(2)
        self.assert_local(self.request(daemon), 503, "overflow", "connection_limit_reached")
        gate.set()
        self.assertEqual([200, 200], [client.read_response().status for client in clients])

    def test_max_body_bytes_holds_with_and_without_a_length(self):
        daemon = self.proxy(self.origin(), route={"limits": {"max_body_bytes": 10}})
        self.assertEqual(200, self.request(daemon, "POST", body=b"x" * 10).status)
        self.assert_local(self.request(daemon, "POST", body=b"x" * 11), 413, "body-too-large")
        response, _ = self.raw(daemon, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
                                       b"\r\n\r\nb\r\nxxxxxxxxxxx\r\n0\r\n\r\n")
        self.assert_local(response, 413, "body-too-large")


if __name__ == "__main__":
    unittest.main()
