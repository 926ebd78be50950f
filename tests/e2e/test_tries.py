"""Deadlines, hedges and fallbacks: what becomes of a request beyond its first try."""

import email.utils
import os
import time

from harness import (Case, Silent, Wire, answers, chunk, hangs, in_turn, resets, sends,
                     waits_for)

TURNS = {"outlier_detection": "off", "load_balancer": {"policy": "round_robin"},
         "retry_budget": {"percent": 100}}


class DeadlineTest(Case):
    def left(self, call):
        return int(call.fields.get("x-request-timeout-ms"))

    def test_the_upstream_is_told_what_is_left(self):
        origin = self.origin()
        daemon = self.proxy(origin, route={"timeouts": {"request": "10s"}})
        self.request(daemon)
        self.request(daemon, fields={"x-request-timeout-ms": "5000"})
        self.request(daemon, "POST", body=b"abc", fields={"x-request-timeout-ms": "60000"})
        first, shortened, not_lengthened = (self.left(call) for call in origin.calls)
        self.assertTrue(5000 < first <= 10_000, first)
        self.assertTrue(0 < shortened <= 5000, shortened)
        self.assertTrue(5000 < not_lengthened <= 10_000, not_lengthened)

    def test_while_the_request_arrives_only_the_callers_own_is_told(self):
        origin = self.origin()
        daemon = self.proxy(origin, route={"timeouts": {"request": "10s"}})
        for index, (fields, told) in enumerate([((), False), ((("x-request-timeout-ms", "60000"),),
                                                              True)]):
            client = self.client(daemon)
            client.send_request("PUT", "/", [*fields, ("Content-Length", "2")])
            client.send(b"a")
            origin.wait_calls(index + 1)
            client.send(b"b")
            self.assertEqual(200, client.read_response().status)
            self.assertEqual(told, "x-request-timeout-ms" in origin.calls[index].fields)
        self.assertGreater(self.left(origin.calls[1]), 10_000)

    def test_an_upload_slower_than_request_passes_two_proxies(self):
        origin = self.origin()
        route = {"timeouts": {"request": "500ms"}}
        inner = self.proxy(origin, route=route, listener={"direction": "inbound"})
        outer = self.proxy(inner, route=route)
        client = self.client(outer)
        client.send_request("PUT", "/", [("Content-Length", "8")])
        for _ in range(8):
            client.send(b"x")
            time.sleep(0.1)
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(b"x" * 8, origin.calls[0].body)

    def test_it_is_said_anew_on_each_try(self):
        def fail_late(call):
            time.sleep(0.05)
            call.answer(503)
        origin = self.origin(in_turn(fail_late, fail_late, answers()))
        daemon = self.proxy(origin, upstream=TURNS, route={"retry": {}})
        self.assertEqual(200, self.request(daemon, fields={"x-request-timeout-ms": "5000",
                                                           "grpc-timeout": "9S"}).status)
        told = [self.left(call) for call in origin.calls]
        self.assertEqual(sorted(told, reverse=True), told)
        self.assertLessEqual(told[2], told[0] - 100)
        self.assertEqual([f"{ms}m" for ms in told],
                         [call.fields.get("grpc-timeout") for call in origin.calls])

    def test_without_any_deadline_nothing_is_said(self):
        origin = self.origin()
        daemon = self.proxy(origin, route={"timeouts": {"request": "off"}})
        self.request(daemon)
        self.assertNotIn("x-request-timeout-ms", origin.calls[0].fields)

    def test_a_callers_deadline_cuts_the_try_and_blames_nobody(self):
        origin = self.origin(hangs)
        daemon = self.proxy(origin, self.origin(hangs), upstream={
            "circuit_breaker": {"consecutive_failures": 2},
            "outlier_detection": {"consecutive_local_origin_failures": 1}})
        for header in ({"x-request-timeout-ms": "100"}, {"grpc-timeout": "100m"}) * 3:
            self.assert_local(self.request(daemon, fields=header), 504, "timeout")
        daemon.wait_metric("upstream_attempts_total", 6, outcome="cancelled")
        daemon.wait_metric("timeouts_total", 6, kind="request")
        self.assertEqual(0, daemon.metric("circuit_breaker_state", scope="upstream"))
        self.assertEqual(0, daemon.metric("outlier_ejections_total"))
        origin.wait_open(0)

    def test_the_routes_own_deadline_is_the_upstreams_failure(self):
        daemon = self.proxy(self.origin(hangs), route={"timeouts": {"request": "100ms"}},
                            upstream={"circuit_breaker": {"consecutive_failures": 2}})
        for _ in range(2):
            self.assert_local(self.request(daemon, fields={"x-request-timeout-ms": "5000"}),
                              504, "timeout")
        daemon.wait_metric("circuit_breaker_state", 2, scope="upstream")

    def test_a_deadline_that_is_over_is_a_504_at_once(self):
        origin = self.origin()
        daemon = self.proxy(origin)
        for header in ({"x-request-timeout-ms": "0"}, {"grpc-timeout": "0S"}):
            self.assert_local(self.request(daemon, fields=header), 504, "timeout",
                              "http_response_timeout")
        self.assertEqual([], origin.calls)

    def test_nonsense_is_ignored_and_counted(self):
        origin = self.origin()
        daemon = self.proxy(origin)
        for value in ("soon", "-5", "1.5", "99999999999999999999"):
            self.assertEqual(200, self.request(daemon,
                                               fields={"x-request-timeout-ms": value}).status)
        self.assertEqual(200, self.request(daemon, fields={"grpc-timeout": "5x"}).status)
        daemon.wait_metric("malformed_deadlines_total", 5, listener="main", route="r")
        self.assertTrue(all(self.left(call) > 5000 for call in origin.calls))

    def test_a_listener_may_not_listen_to_them(self):
        origin = self.origin()
        daemon = self.proxy(origin, listener={"deadline_headers": []})
        self.assertEqual(200, self.request(daemon, fields={"x-request-timeout-ms": "0"}).status)
        self.assertEqual(1, len(origin.calls[0].fields.all("x-request-timeout-ms")))
        self.assertGreater(self.left(origin.calls[0]), 5000)

    def test_a_backoff_beyond_it_is_not_begun(self):
        origin = self.origin(answers(503, fields={"Retry-After": "1"}))
        daemon = self.proxy(origin, upstream=TURNS, route={"retry": {}})
        response = self.request(daemon, fields={"x-request-timeout-ms": "500"})
        self.assert_upstream_answer(response, 503)
        self.assertEqual(1, len(origin.calls))
        daemon.wait_metric("retries_denied_total", 1, cause="deadline")


class RetryAfterTest(Case):
    def answer_until(self, seconds, **more):
        at = 1_800_000_000
        return answers(503, fields={"Date": email.utils.formatdate(at, usegmt=True),
                                    "Retry-After": email.utils.formatdate(at + seconds,
                                                                          usegmt=True)}, **more)

    def test_a_date_is_understood_by_the_responses_own(self):
        origin = self.origin(in_turn(self.answer_until(0), answers()))
        daemon = self.proxy(origin, upstream=TURNS, route={"retry": {}})
        self.assertEqual(200, self.request(daemon).status)

    def test_seconds_beyond_all_bounds_end_the_retries(self):
        origin = self.origin(answers(503, fields={"Retry-After": "99999999999999"}))
        daemon = self.proxy(origin, upstream=TURNS, route={"retry": {}})
        self.assert_upstream_answer(self.request(daemon), 503)
        daemon.wait_metric("retries_denied_total", 1, cause="retry-after")

    def test_a_date_too_far_ends_the_retries(self):
        origin = self.origin(self.answer_until(3))
        daemon = self.proxy(origin, upstream=TURNS, route={"retry": {}})
        self.assert_upstream_answer(self.request(daemon), 503)
        self.assertEqual(1, len(origin.calls))
        daemon.wait_metric("retries_denied_total", 1, cause="retry-after")


class RefusedRetryTest(Case):
    def test_a_retry_that_finds_no_place_is_not_begun(self):
        gate = self.gate()
        origin = self.origin(in_turn(answers(503, fields={"Retry-After": "1"}), waits_for(gate)))
        daemon = self.proxy(origin, route={"retry": {}}, upstream={
            **TURNS, "limits": {"max_requests": 1, "max_pending": 0}})
        first, second = self.client(daemon), self.client(daemon)
        first.send_request("GET", "/")
        daemon.wait_metric("upstream_requests_in_flight", 0)
        origin.wait_calls(1)
        second.send_request("GET", "/")
        origin.wait_calls(2)
        self.assert_local(first.read_response(), 503, "overflow")
        daemon.wait_metric("retries_denied_total", 1, cause="overflow")
        gate.set()
        self.assertEqual(200, second.read_response().status)


class HedgeTest(Case):
    HEDGE = {"hedge": {"after": "50ms"}}

    def pair(self, first, second, route=None, upstream=None):
        origins = self.origin(first), self.origin(second)
        return *origins, self.proxy(*origins, route=route or self.HEDGE,
                                    upstream={**TURNS, **(upstream or {})})

    def test_a_slow_head_is_hedged_and_the_first_head_wins(self):
        slow, fast, daemon = self.pair(hangs, answers(body=b"fast"))
        response = self.request(daemon)
        self.assertEqual(b"fast", response.body)
        slow.wait_open(0)
        self.assertEqual(1, slow.calls[0].attempt)
        self.assertEqual(2, fast.calls[0].attempt)
        daemon.wait_metric("hedges_total", 1, outcome="won", route="r", upstream="u")
        daemon.wait_metric("upstream_attempts_total", 1, **{"try": "hedge"}, outcome="success")
        daemon.wait_metric("upstream_attempts_total", 1, **{"try": "first"}, outcome="cancelled")
        self.assertEqual(0, daemon.metric("retries_total"))

    def test_the_first_try_may_still_win(self):
        gate = self.gate()

        def late(call):
            call.wait(gate)
            call.answer(body=b"first")

        def never(call):
            gate.set()
            call.wait_gone()
        _, hedged, daemon = self.pair(late, never)
        self.assertEqual(b"first", self.request(daemon).body)
        hedged.wait_open(0)
        daemon.wait_metric("hedges_total", 1, outcome="lost")

    def test_a_failure_beside_a_hedge_waits_for_it(self):
        both, answer = self.gate(), self.gate()

        def fails(call):
            call.wait(both)
            call.reset()
            answer.set()

        def answers_later(call):
            both.set()
            call.wait(answer)
            call.answer(body=b"hedge")
        _, _, daemon = self.pair(fails, answers_later)
        self.assertEqual(b"hedge", self.request(daemon).body)
        daemon.wait_metric("hedges_total", 1, outcome="won")
        self.assertEqual(0, daemon.metric("retries_total"))

    def test_a_body_is_sent_whole_to_both(self):
        slow, fast, daemon = self.pair(hangs, answers())
        body = b"x" * 10_000
        self.assertEqual(200, self.request(daemon, "PUT", body=body).status)
        self.assertEqual([body], [call.body for call in fast.calls])

    def test_a_body_too_large_to_be_kept_is_sent_whole_to_the_one_that_connects_late(self):
        silent, other = Silent(), self.origin(hangs)
        self.addCleanup(silent.stop)
        daemon = self.proxy(silent, other, route=self.HEDGE,
                            upstream={**TURNS, "timeouts": {"connect": "20s"}})
        body, client = b"x" * 100_000, self.client(daemon)
        client.send_request("PUT", "/", body=body)
        daemon.wait_metric("upstream_connections", 1, state="connecting")
        late = Wire(silent.relent())
        _, fields = late.read_head()
        self.assertEqual(body, late.read_exact(int(fields.get("Content-Length"))))
        late.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(200, client.read_response().status)
        self.assertEqual([], other.calls)
        late.close()

    def test_only_what_may_be_sent_again_is_hedged(self):
        gate = self.gate()
        slow, other, daemon = self.pair(waits_for(gate), answers(body=b"hedge"))
        client = self.client(daemon)
        client.send_request("POST", "/", body=b"a")
        slow.wait_calls(1)
        time.sleep(0.3)
        gate.set()
        self.assertEqual(200, client.read_response().status)
        self.assertEqual([], other.calls)
        gate.clear()
        # The next turn is the other's, so this one goes there.
        self.assertEqual(b"hedge", self.request(daemon, "POST", body=b"a").body)
        keyed = self.request(daemon, "POST", fields={"Idempotency-Key": "1"}, body=b"a")
        self.assertEqual(b"hedge", keyed.body)

    def test_hedges_are_paid_out_of_the_budget(self):
        gate = self.gate()
        slow, other, daemon = self.pair(
            waits_for(gate), answers(),
            upstream={"retry_budget": {"percent": 0, "min_per_second": 0}})
        client = self.client(daemon)
        client.send_request("GET", "/")
        slow.wait_calls(1)
        time.sleep(0.3)
        gate.set()
        self.assertEqual(200, client.read_response().status)
        self.assertEqual([], other.calls)

    def test_a_hedge_that_finds_no_place_costs_nothing(self):
        gate = self.gate()
        slow, other, daemon = self.pair(waits_for(gate), answers(), upstream={
            "limits": {"max_requests": 1},
            "retry_budget": {"percent": 0, "min_per_second": 1, "window": "1s"}})
        client = self.client(daemon)
        client.send_request("GET", "/")
        slow.wait_calls(1)
        time.sleep(0.3)
        self.assertEqual(1, daemon.metric("retry_budget_remaining"))
        gate.set()
        self.assertEqual(200, client.read_response().status)
        self.assertEqual([], other.calls)

    def test_there_is_no_hedge_without_another_endpoint(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.proxy(origin, route=self.HEDGE, upstream=TURNS)
        client = self.client(daemon)
        client.send_request("GET", "/")
        origin.wait_calls(1)
        time.sleep(0.3)
        gate.set()
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(1, len(origin.calls))

    def test_a_percentile_is_of_what_was_seen(self):
        gate = self.gate()
        behave = {"slow": False}

        def one(call):
            if behave["slow"]:
                call.wait(gate)
            call.answer(body=b"one")
        _, other, daemon = self.pair(one, answers(body=b"other"), route={"hedge": {"after": "p90"}})
        for _ in range(40):
            self.request(daemon)
        behave["slow"] = True
        before = len(other.calls)
        # One of two turns is the slow one's; a hedge answers it.
        self.assertEqual([b"other"] * 2, [self.request(daemon).body for _ in range(2)])
        self.assertEqual(before + 2, len(other.calls))
        self.assertLessEqual(1, daemon.metric("hedges_total", outcome="won"))

    def test_no_more_than_max(self):
        origins = [self.origin(hangs) for _ in range(4)]
        daemon = self.proxy(*origins, upstream=TURNS, route={
            "hedge": {"after": "20ms", "max": 2}, "timeouts": {"request": "500ms"}})
        self.assert_local(self.request(daemon), 504, "timeout")
        self.assertEqual(3, sum(len(origin.calls) for origin in origins))
        for origin in origins:
            origin.wait_open(0)
        daemon.wait_metric("hedges_total", 2, outcome="lost")


class FallbackTest(Case):
    SORRY = {"status": 200, "body": "sorry", "headers": {"content-type": "text/plain"}}

    def with_fallback(self, *origins, fallback, spare=None, route=None, upstream=None):
        config = self.config(*origins, upstream={"outlier_detection": "off", **(upstream or {})},
                             route={"fallback": fallback, **(route or {})})
        if spare:
            config["upstreams"]["spare"] = {"endpoints": [spare.address]}
        return self.start(config)

    def assert_fallback(self, response, status, body, reason, error=None):
        self.assertEqual((status, body), (response.status, response.body))
        said = f"error={error}; " if error else ""
        self.assertEqual(f'outrigger; {said}details="{reason}; fallback"',
                         response.fields.get("Proxy-Status"))

    def test_each_trigger_has_its_fixed_answer(self):
        respond = {"respond": self.SORRY}
        dead = self.origin()
        dead.stop()
        cases = [
            (self.origin(hangs), ["timeout"], {"timeouts": {"request": "100ms"}}, {},
             "timeout", "http_response_timeout"),
            (dead, ["connect-failure"], {}, {}, "connect-failure", "connection_refused"),
            (dead, ["5xx"], {}, {}, "connect-failure", "connection_refused"),
            (self.origin(resets), ["reset"], {"retry": "off"}, {}, "reset",
             "connection_terminated"),
            (self.origin(answers(500)), ["5xx"], {}, {}, "5xx", None),
            (self.origin(answers(429)), ["rate-limited"], {}, {}, "rate-limited", None),
        ]
        for origin, words, route, upstream, reason, error in cases:
            with self.subTest(words):
                daemon = self.with_fallback(origin, fallback={"fallback_on": words, **respond},
                                            route=route, upstream=upstream)
                self.assert_fallback(self.request(daemon), 200, b"sorry", reason, error)
                daemon.wait_metric("fallbacks_total", 1, route="r", to="respond")
                daemon.wait_metric("requests_total", 1, code="200", upstream="u")

    def test_what_is_not_named_is_answered_as_ever(self):
        daemon = self.with_fallback(self.origin(answers(500)), fallback={"respond": self.SORRY})
        self.assert_upstream_answer(self.request(daemon), 500)
        self.assertEqual(0, daemon.metric("fallbacks_total", to="respond"))

    def test_an_open_breaker_and_a_full_bulkhead(self):
        gate = self.gate()
        origin = self.origin(in_turn(answers(500), answers(500), waits_for(gate)))
        daemon = self.with_fallback(origin, fallback={"respond": self.SORRY},
                                    upstream={"circuit_breaker": {"consecutive_failures": 2}})
        for _ in range(2):
            self.request(daemon)
        self.assert_fallback(self.request(daemon), 200, b"sorry", "circuit-open",
                             "destination_unavailable")
        full = self.with_fallback(self.origin(waits_for(gate)), fallback={"respond": self.SORRY},
                                  upstream={"limits": {"max_requests": 1, "max_pending": 0}})
        first = self.client(full)
        first.send_request("GET", "/")
        full.wait_metric("upstream_requests_in_flight", 1)
        self.assert_fallback(self.request(full), 200, b"sorry", "overflow",
                             "connection_limit_reached")
        gate.set()
        first.read_response()

    def test_another_upstream_is_asked(self):
        spare = self.origin(answers(body=b"spare"))
        daemon = self.with_fallback(self.origin(answers(503)), spare=spare, fallback={
            "fallback_on": ["5xx"], "upstream": "spare"})
        self.assert_fallback(self.request(daemon), 200, b"spare", "5xx")
        daemon.wait_metric("fallbacks_total", 1, to="spare")
        daemon.wait_metric("upstream_attempts_total", 1, upstream="spare", outcome="success")
        daemon.wait_metric("upstream_attempts_total", 1, upstream="u", outcome="5xx")
        daemon.wait_metric("requests_total", 1, upstream="u", code="200")

    def test_it_obeys_what_a_retry_obeys(self):
        spare = self.origin(answers(body=b"spare"))
        daemon = self.with_fallback(self.origin(answers(503)), spare=spare, fallback={
            "fallback_on": ["5xx"], "upstream": "spare"})
        self.assert_upstream_answer(self.request(daemon, "POST", body=b"a"), 503)
        self.assertEqual([], spare.calls)
        keyed = self.request(daemon, "POST", fields={"Idempotency-Key": "1"}, body=b"a")
        self.assert_fallback(keyed, 200, b"spare", "5xx")
        self.assertEqual(b"a", spare.calls[0].body)
        large = b"x" * 100_000
        self.assert_upstream_answer(self.request(daemon, "PUT", body=large), 503)
        self.assertEqual(1, len(spare.calls))

    def test_it_takes_a_large_post_that_was_refused(self):
        refusal = answers(503, fields={"x-outrigger-retry": "elsewhere"})
        origin, spare = self.origin(in_turn(answers(), refusal)), self.origin()
        daemon = self.with_fallback(origin, spare=spare, fallback={
            "fallback_on": ["5xx"], "upstream": "spare"})
        client = self.client(daemon)
        self.assertEqual(200, client.get().status)
        body = os.urandom(20_000)
        self.assertEqual(200, client.request("POST", "/", body=body).status)
        self.assertEqual([body], [call.body for call in spare.calls])

    def test_it_needs_no_retries(self):
        spare = self.origin(answers(body=b"spare"))
        daemon = self.with_fallback(self.origin(answers(503)), spare=spare, fallback={
            "fallback_on": ["5xx"], "upstream": "spare"}, route={"retry": "off"})
        self.assert_fallback(self.request(daemon), 200, b"spare", "5xx")
        self.assert_upstream_answer(self.request(daemon, "POST", body=b"a"), 503)

    def test_a_post_that_was_never_sent_goes_to_the_fallback(self):
        dead = self.origin()
        dead.stop()
        spare = self.origin(answers(body=b"spare"))
        daemon = self.with_fallback(dead, spare=spare, fallback={
            "fallback_on": ["connect-failure"], "upstream": "spare"})
        response = self.request(daemon, "POST", body=b"a")
        self.assert_fallback(response, 200, b"spare", "connect-failure")
        self.assertEqual(b"a", spare.calls[0].body)

    def test_where_the_fallback_fails_too_the_original_answer_stands(self):
        dead, spare = self.origin(), self.origin()
        dead.stop()
        spare.stop()
        daemon = self.with_fallback(dead, spare=spare, fallback={
            "fallback_on": ["connect-failure"], "upstream": "spare"})
        self.assert_local(self.request(daemon), 502, "connect-failure", "connection_refused")

    def test_what_idle_has_cut_is_answered_by_a_fallback_with_time_of_its_own(self):
        def late(call):
            time.sleep(0.1)
            call.answer(body=b"spare")
        daemon = self.with_fallback(self.origin(hangs), spare=self.origin(late), fallback={
            "fallback_on": ["timeout"], "upstream": "spare"}, route={"timeouts": {"idle": "500ms"}})
        self.assert_fallback(self.request(daemon), 200, b"spare", "timeout")

    def refused_fallback(self, fallback, spare, route):
        """A breaker open for long, in front of a fallback that comes to nothing."""
        daemon = self.with_fallback(self.origin(answers(500)), spare=spare, route={
            "circuit_breaker": {"consecutive_failures": 1, "open_for": "40s"}, "retry": "off",
            **route}, fallback={"upstream": "spare", **fallback})
        self.assertEqual(500, self.request(daemon).status)
        return daemon

    def test_where_the_fallback_fails_the_time_to_wait_is_what_it_was_before(self):
        daemon = self.refused_fallback({"fallback_on": ["circuit-open"]}, self.origin(resets), {})
        response = self.request(daemon)
        self.assert_local(response, 503, "circuit-open")
        self.assertGreater(int(response.fields.get("Retry-After")), 20)

    def test_the_callers_own_mistake_in_a_fallback_is_told(self):
        spare = self.origin(hangs)
        daemon = self.refused_fallback({"fallback_on": ["circuit-open"]}, spare,
                                       {"limits": {"max_body_bytes": 3}})
        client = self.client(daemon)
        client.send_request("PUT", "/", [("Transfer-Encoding", "chunked")])
        spare.wait_calls(1)
        client.send(chunk(b"four"))
        self.assert_local(client.read_response(), 413, "body-too-large")

    def test_an_upgrade_reaches_the_fallback_of_a_request_that_was_not_admitted(self):
        spare = self.origin()
        daemon = self.with_fallback(self.origin(), spare=spare, route={
            "rate_limit": {"requests": 1, "per": "60s", "burst": 1}},
            fallback={"fallback_on": ["rate-limited"], "upstream": "spare"})
        for _ in range(2):
            self.request(daemon, fields={"Connection": "upgrade", "Upgrade": "websocket"})
        self.assertEqual("websocket", spare.calls[0].fields.get("Upgrade"))

    def test_a_response_given_up_for_a_fallback_that_breaks_keeps_its_status(self):
        for status, words in ((500, ["5xx"]), (429, ["rate-limited"])):
            daemon = self.with_fallback(self.origin(answers(status)), spare=self.origin(resets),
                                        fallback={"fallback_on": words, "upstream": "spare"})
            self.assert_local(self.request(daemon), status, "reset")

    def test_a_malformed_response_is_a_reset(self):
        daemon = self.with_fallback(self.origin(sends(b"garbage\r\n\r\n")), fallback={
            "fallback_on": ["reset"], "respond": self.SORRY}, route={"retry": "off"})
        self.assert_fallback(self.request(daemon), 200, b"sorry", "bad-response",
                             "http_protocol_error")

    def test_a_fallback_that_finds_no_place_leaves_the_cookie_as_it_was(self):
        def by(cookie):
            return {"policy": "ring_hash", "hash_on": {"cookie": {"name": cookie, "ttl": "1h"}}}
        gate = self.gate()
        spare = self.origin(waits_for(gate))
        config = self.config(self.origin(answers(500)), upstream={"load_balancer": by("own")},
                             route={"fallback": {"fallback_on": ["5xx"], "upstream": "spare"}})
        config["upstreams"]["spare"] = {"endpoints": [spare.address], "load_balancer": by("other"),
                                        "limits": {"max_requests": 1}}
        daemon = self.start(config)
        first = self.client(daemon)
        first.send_request("GET", "/")
        spare.wait_calls(1)
        response = self.request(daemon)
        self.assert_upstream_answer(response, 500)
        self.assertEqual(["own"], [cookie.split("=")[0]
                                   for cookie in response.fields.all("Set-Cookie")])
        gate.set()
        first.read_response()

    def test_within_the_same_deadline(self):
        spare = self.origin(hangs)
        daemon = self.with_fallback(self.origin(answers(503)), spare=spare, fallback={
            "fallback_on": ["5xx"], "upstream": "spare"}, route={"timeouts": {"request": "300ms"}})
        self.assertEqual(504, self.request(daemon).status)
        self.assertLessEqual(int(spare.calls[0].fields.get("x-request-timeout-ms")), 300)
        spare.wait_open(0)

    def test_the_routes_breaker_hears_of_what_there_was_before(self):
        daemon = self.with_fallback(self.origin(answers(500)), fallback={
            "fallback_on": ["5xx"], "respond": self.SORRY},
            route={"circuit_breaker": {"consecutive_failures": 2}})
        for _ in range(2):
            self.assertEqual(200, self.request(daemon).status)
        daemon.wait_metric("circuit_breaker_state", 2, scope="route")
        self.assert_local(self.request(daemon), 503, "circuit-open")
