"""Outlier detection by sweeps: who is compared with whom, and what comes of it on real sockets."""

from harness import Case, answers


def fails(share, status=500):
    """Answers `share` of each ten with an error, never two in a row of many."""
    return lambda call: call.answer(status if call.number * share % 10 < share else 200)


class SweepTest(Case):
    # One detector at a time; sweeps come often, and need few requests.
    OFF = {"consecutive_local_origin_failures": "off", "consecutive_gateway_errors": "off",
           "consecutive_5xx": "off", "success_rate": "off", "failure_percentage": "off",
           "latency": "off", "interval": "1s", "base_ejection_time": "5m"}

    def upstream(self, *behaviours, detection=None, route=None, **upstream):
        self.origins = [self.origin(behave) for behave in behaviours]
        return self.proxy(*self.origins, route={"retry": "off", **(route or {})}, upstream={
            "outlier_detection": {**self.OFF, **(detection or {})},
            "load_balancer": {"policy": "round_robin"}, "retry_budget": {"percent": 100},
            **upstream})

    def drive(self, daemon, callers=6, each=15):
        """Requests from several callers at once, so that those who wait for a slow endpoint do not
        keep the others from an interval's traffic."""
        def call(_):
            client = self.client(daemon)
            statuses = [client.get().status for _ in range(each)]
            client.close()
            return statuses
        return sum(self.many(callers, call), [])

    def state(self, daemon, origin):
        return self.endpoint(daemon, origin)["state"]

    def endpoint(self, daemon, origin):
        return next(endpoint for endpoint in daemon.admin_json("/upstreams")["upstreams"][0]["endpoints"]
                    if endpoint["address"] == origin.address)

    def ejected(self, daemon):
        return daemon.metric("upstream_endpoints", upstream="u", state="ejected")

    def drive_until(self, daemon, condition):
        self.eventually(lambda: (self.drive(daemon), condition())[1])

    def assert_first_is_out(self, daemon, detector, *said):
        self.drive_until(daemon, lambda: self.ejected(daemon) == 1)
        self.assertEqual("ejected", self.state(daemon, self.origins[0]))
        daemon.wait_metric("outlier_ejections_total", 1, upstream="u", detector=detector,
                           mode="enforce")
        before = len(self.origins[0].calls)
        self.assertEqual({200}, set(self.drive(daemon)))
        self.assertEqual(before, len(self.origins[0].calls))
        line = next(line for line in daemon.log().splitlines() if "ejected" in line)
        for words in (self.origins[0].address, detector, "300.0 s", *said):
            self.assertIn(words, line)

    def test_success_rate_ejects_the_one_of_three_that_fails_more_often(self):
        daemon = self.upstream(fails(4), answers(200), answers(200), detection={
            "success_rate": {"min_requests": 10}})
        self.assert_first_is_out(daemon, "success-rate", "of the others' 100.0 %",
                                 "bound was 90.0 %")

    def test_success_rate_is_on_in_a_block_that_is_present(self):
        origins = [self.origin(fails(4)), self.origin(), self.origin()]
        daemon = self.proxy(*origins, route={"retry": "off"}, upstream={
            "outlier_detection": {"interval": "3s", "base_ejection_time": "5m"},
            "load_balancer": {"policy": "round_robin"}})
        self.eventually(lambda: (self.drive(daemon, 12, 40), self.ejected(daemon) == 1)[1])
        self.assertEqual("ejected", self.state(daemon, origins[0]))

    def test_failures_that_all_share_eject_none(self):
        daemon = self.upstream(fails(4), fails(4), fails(4), detection={
            "success_rate": {"min_requests": 20, "min_gap_percent": 30}})
        self.drive_until(daemon, lambda: all(
            self.endpoint(daemon, origin)["last_sweep"]["tries"] >= 20 for origin in self.origins))
        self.assertEqual(0, daemon.metric("outlier_ejections_total"))
        self.assertEqual(0, self.ejected(daemon))

    def test_what_never_counts_is_no_failure(self):
        for status in (501, 505, 429):
            with self.subTest(status):
                daemon = self.upstream(fails(8, status), answers(200), answers(200), detection={
                    "success_rate": {"min_requests": 10},
                    "failure_percentage": {"min_requests": 10, "threshold_percent": 20}})
                self.drive_until(daemon, lambda: all(
                    self.endpoint(daemon, origin)["last_sweep"]["tries"] >= 20
                    for origin in self.origins[1:]))
                self.assertEqual(0, daemon.metric("outlier_ejections_total"))

    def test_failure_percentage_ejects_whoever_hardly_ever_succeeds(self):
        daemon = self.upstream(fails(9), fails(2), detection={
            "failure_percentage": {"min_requests": 20}})
        self.drive_until(daemon, lambda: self.ejected(daemon) == 1)
        self.assertEqual("ejected", self.state(daemon, self.origins[0]))
        daemon.wait_metric("outlier_ejections_total", 1, detector="failure-percentage")
        self.assertIn("bound was 85.0 %", daemon.log())

    def test_a_sweep_obeys_the_caps_and_counts_what_they_blocked(self):
        daemon = self.upstream(fails(10), fails(10), answers(200), detection={
            "failure_percentage": {"min_requests": 10}})
        self.drive_until(daemon, lambda: daemon.metric(
            "outlier_ejections_denied_total", upstream="u", cause="max-ejection-percent") > 0)
        self.assertEqual(1, self.ejected(daemon))
        self.assertIn("but for max-ejection-percent (failure-percentage", daemon.log())

        lone = self.upstream(fails(10), detection={"failure_percentage": {"min_requests": 10}})
        self.drive_until(lone, lambda: lone.metric("outlier_ejections_denied_total",
                                                   cause="lone") > 0)
        self.assertEqual(0, self.ejected(lone))

    def test_latency_ejects_the_slow_one(self):
        gate = self.gate()

        def slow(call):
            gate.wait(0.4)
            call.answer()
        daemon = self.upstream(slow, answers(200), answers(200), detection={
            "latency": {"min_requests": 10}, "interval": "3s"})
        self.assert_first_is_out(daemon, "latency", "the p95 of", "the others' median")

    def test_tries_that_are_cancelled_show_that_an_endpoint_is_slow(self):
        gate = self.gate()

        def never(call):
            call.wait(gate)
        daemon = self.upstream(
            never, answers(200), answers(200), route={"hedge": {"after": "300ms"}, "retry": {}},
            detection={"latency": {"min_requests": 10}, "interval": "3s"})
        self.assert_first_is_out(daemon, "latency")
        # No failure and no answer: every try there lost to its hedge.
        self.assertEqual(0, daemon.metric("upstream_attempts_total", outcome="timeout"))
        self.assertGreater(daemon.metric("upstream_attempts_total", outcome="cancelled"), 9)

    def test_observe_counts_for_each_detector_and_ejects_none(self):
        table = [("success-rate", {"success_rate": {"min_requests": 10}}),
                 ("failure-percentage", {"failure_percentage": {"min_requests": 10,
                                                                "threshold_percent": 40}})]
        for detector, detection in table:
            with self.subTest(detector):
                daemon = self.upstream(fails(6), answers(200), answers(200),
                                       detection={**detection, "mode": "observe"})
                self.drive_until(daemon, lambda: daemon.metric(
                    "outlier_ejections_total", detector=detector, mode="observe") > 0)
                self.assertEqual(0, self.ejected(daemon))
                self.assertEqual(0, daemon.metric("outlier_ejections_total", mode="enforce"))
                self.assertIn(f"but for mode: observe ({detector}", daemon.log())
                before = len(self.origins[0].calls)
                self.drive(daemon)
                self.assertGreater(len(self.origins[0].calls), before)

    def test_what_was_observed_stays_counted_after_a_reload_to_enforce(self):
        detection = {"success_rate": {"min_requests": 10}}
        daemon = self.upstream(fails(6), answers(200), answers(200),
                               detection={**detection, "mode": "observe"})
        self.drive_until(daemon, lambda: daemon.metric(
            "outlier_ejections_total", mode="observe") > 0)
        observed = daemon.metric("outlier_ejections_total", mode="observe")
        daemon.write_config(self.config(
            *self.origins, route={"retry": "off"}, upstream={
                "outlier_detection": {**self.OFF, **detection},
                "load_balancer": {"policy": "round_robin"}}))
        self.assertEqual(200, daemon.admin("POST", "/reload", [("X-Outrigger-Admin", "1")]).status)
        self.drive_until(daemon, lambda: self.ejected(daemon) == 1)
        self.assertGreaterEqual(daemon.metric("outlier_ejections_total", mode="observe"), observed)
        daemon.wait_metric("outlier_ejections_total", 1, mode="enforce", detector="success-rate")

    def test_the_page_shows_what_the_last_sweep_compared(self):
        daemon = self.upstream(fails(5), answers(200), answers(200), detection={"latency": {}})
        shown = self.endpoint(daemon, self.origins[1])["last_sweep"]
        self.assertEqual({"tries": 0, "success_rate_percent": None, "p95_ms": None}, shown)

        def look():
            self.drive(daemon)
            shown = self.endpoint(daemon, self.origins[1])["last_sweep"]
            return shown["tries"] > 0 and shown
        shown = self.eventually(look)
        self.assertEqual(100, shown["success_rate_percent"])
        self.assertGreater(shown["p95_ms"], 0)
        self.assertFalse(self.endpoint(daemon, self.origins[1])["by_hand"])
