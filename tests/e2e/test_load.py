"""What stands against too much: rate limits, shedding by criticality, buffered bytes, adaptive
concurrency, and the route's own limits.
"""

import unittest

from harness import Case


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


if __name__ == "__main__":
    unittest.main()
