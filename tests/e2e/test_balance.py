"""Load balancing by hashes, priorities, zones and weights, by which origin gets which request."""

import math
import re
import threading
import unittest

from harness import Case, answers

CHANGE = {"X-Outrigger-Admin": "1"}
EJECTS = {"outlier_detection": {"consecutive_gateway_errors": 1, "success_rate": "off",
                                "base_ejection_time": "300s", "max_ejection_percent": 100,
                                "min_available": 0}}


def hashed(policy, on):
    return {"load_balancer": {"policy": policy, "hash_on": on}, "outlier_detection": "off"}


def endpoint(origin, **keys):
    return {"address": origin.address, **keys}


class BalanceTest(Case):
    def named(self, count):
        """Origins that answer with their number."""
        return [self.origin(answers(body=b"%d" % i)) for i in range(count)]

    def body(self, daemon, target="/", fields=()):
        response = self.request(daemon, "GET", target, fields)
        self.assertEqual(200, response.status, response.text)
        return response.text

    def eject(self, daemon, count):
        """Requests until the failing ones are ejected."""
        def ejected():
            self.request(daemon)
            return daemon.metric("upstream_endpoints", upstream="u", state="ejected") == count
        self.eventually(ejected, f"{count} ejected endpoints")

    def assert_share(self, count, share, total):
        """Within five standard deviations of the binomial."""
        self.assertLessEqual(abs(count - share * total),
                             5 * math.sqrt(share * (1 - share) * total) + 1e-9)


class HashTest(BalanceTest):
    def test_header_keeps_its_endpoint_in_both_hashes(self):
        for policy in ("ring_hash", "maglev"):
            with self.subTest(policy):
                daemon = self.proxy(*self.named(4), upstream=hashed(policy, {"header": "X-User"}))
                where = {user: self.body(daemon, fields={"x-user": user})
                         for user in map(str, range(24))}
                self.assertGreaterEqual(len(set(where.values())), 3, where)
                for user, origin in where.items():
                    for target in ("/", "/other?a=b"):
                        self.assertEqual(origin, self.body(daemon, target, {"x-user": user}))

    def test_a_request_without_the_header_goes_anywhere(self):
        daemon = self.proxy(*self.named(2), upstream=hashed("maglev", {"header": "x-user"}))
        # All of 60 at the same one of two: once in 2^59 runs.
        self.assertEqual({"0", "1"}, {self.body(daemon) for _ in range(60)})

    def test_two_daemons_and_a_reload_agree(self):
        origins = self.named(5)
        upstream = hashed("ring_hash", {"header": "x-user"})
        one = self.proxy(*origins, upstream=upstream)
        other = self.proxy(*reversed(origins), upstream=upstream)
        users = [str(i) for i in range(20)]
        where = [self.body(one, fields={"x-user": user}) for user in users]
        self.assertEqual(where, [self.body(other, fields={"x-user": user}) for user in users])
        one.write_config(self.config(*origins[2:], *origins[:2], upstream=upstream))
        self.assertEqual(200, one.admin("POST", "/reload", CHANGE).status)
        self.assertEqual(where, [self.body(one, fields={"x-user": user}) for user in users])

    def test_path_goes_without_the_query(self):
        daemon = self.proxy(*self.named(4), upstream=hashed("maglev", "path"))
        for i in range(10):
            self.assertEqual(self.body(daemon, f"/p{i}"), self.body(daemon, f"/p{i}?q={i}"))
        self.assertGreaterEqual(len({self.body(daemon, f"/p{i}") for i in range(24)}), 3)

    def test_source_ip_sends_a_caller_to_one_endpoint(self):
        daemon = self.proxy(*self.named(4), upstream=hashed("ring_hash", "source_ip"))
        self.assertEqual(1, len({self.body(daemon, f"/{i}") for i in range(12)}))

    def test_a_lost_endpoint_moves_its_own_keys_only(self):
        origins = self.named(5)
        upstream = {**hashed("ring_hash", {"header": "x-user"}), "retry_budget": {"percent": 100}}
        daemon = self.proxy(*origins, upstream=upstream,
                            route={"retry": {"max_retries": 3, "backoff": {"base": "1ms",
                                                                         "max": "1ms"}}})
        users = [str(i) for i in range(30)]
        before = {user: self.body(daemon, fields={"x-user": user}) for user in users}
        lost = before["0"]
        origins[int(lost)].refuse()
        origins[int(lost)].drop_connections()
        after = {user: self.body(daemon, fields={"x-user": user}) for user in users}
        for user in users:
            if before[user] == lost:
                self.assertNotEqual(lost, after[user])
            else:
                self.assertEqual(before[user], after[user])


class CookieTest(BalanceTest):
    ON = {"cookie": {"name": "sticky", "ttl": "1h"}}

    def test_a_cookie_is_issued_and_kept_to(self):
        for policy in ("ring_hash", "maglev"):
            daemon = self.proxy(*self.named(4), upstream=hashed(policy, self.ON))
            seen = set()
            for _ in range(12):
                first = self.request(daemon)
                match = re.fullmatch(r"sticky=([0-9a-f]{16}); Path=/; HttpOnly; Max-Age=3600",
                                     first.fields.get("Set-Cookie", ""))
                self.assertIsNotNone(match, first.fields)
                seen.add(first.text)
                for _ in range(3):
                    again = self.request(daemon, fields={"Cookie": f"a=b; sticky={match[1]}"})
                    self.assertEqual(first.text, again.text)
                    self.assertNotIn("Set-Cookie", again.fields)
            self.assertGreaterEqual(len(seen), 2)

    def test_the_origins_own_cookies_stay(self):
        origin = self.origin(answers(fields=[("Set-Cookie", "own=1")]))
        on = {"cookie": {"name": "sticky"}}
        daemon = self.proxy(origin, upstream=hashed("maglev", on))
        response = self.request(daemon)
        cookies = response.fields.all("Set-Cookie")
        self.assertEqual("own=1", cookies[0])
        self.assertRegex(cookies[1], r"^sticky=[0-9a-f]{16}; Path=/; HttpOnly$")

    def test_no_cookie_is_issued_by_a_policy_that_does_not_hash(self):
        daemon = self.proxy(self.origin(), upstream={"load_balancer": {"hash_on": self.ON}})
        self.assertNotIn("Set-Cookie", self.request(daemon).fields)


class PriorityTest(BalanceTest):
    def test_the_second_group_takes_over_when_the_first_is_ejected(self):
        failing = [self.origin(answers(500 + 3)) for _ in range(2)]
        backup = self.origin(answers(body=b"backup"))
        daemon = self.proxy(*[endpoint(each) for each in failing], endpoint(backup, priority=1),
                            upstream=EJECTS)
        self.eject(daemon, 2)
        calls = [len(each.calls) for each in failing]
        for _ in range(20):
            self.assertEqual("backup", self.body(daemon))
        self.assertEqual(calls, [len(each.calls) for each in failing])

    def test_the_second_group_gets_nothing_while_the_first_is_healthy(self):
        first, second = self.named(2)
        daemon = self.proxy(endpoint(second, priority=7), endpoint(first))
        self.assertEqual({"0"}, {self.body(daemon) for _ in range(30)})
        self.assertEqual(0, len(second.calls))

    def test_half_a_group_passes_what_it_cannot_take_on(self):
        failing = self.origin(answers(503))
        good, second = self.named(2)
        daemon = self.proxy(endpoint(failing), endpoint(good), endpoint(second, priority=1),
                            upstream=EJECTS)
        self.eject(daemon, 1)
        total = 300
        bodies = [self.body(daemon) for _ in range(total)]
        self.assert_share(bodies.count("1"), 0.3, total)  # of 2 one is left: 1.4 / 2 stay

    def test_a_reload_changes_priorities(self):
        one, other = self.named(2)
        daemon = self.proxy(endpoint(one), endpoint(other, priority=1))
        self.assertEqual("0", self.body(daemon))
        daemon.write_config(self.config(endpoint(one, priority=1), endpoint(other)))
        self.assertEqual(200, daemon.admin("POST", "/reload", CHANGE).status)
        self.assertEqual({"1"}, {self.body(daemon) for _ in range(10)})


class ZoneTest(BalanceTest):
    def test_the_own_zone_is_asked_first_and_spills_in_proportion(self):
        failing = self.origin(answers(503))
        here = [self.origin(answers(body=b"here")) for _ in range(3)]
        there = self.origin(answers(body=b"there"))
        daemon = self.proxy(*[endpoint(each, zone="a") for each in (failing, *here)],
                            endpoint(there, zone="b"), node={"zone": "a"},
                            upstream={"load_balancer": {"zone_aware": {}}, **EJECTS})
        self.eject(daemon, 1)
        total = 300
        bodies = [self.body(daemon) for _ in range(total)]
        self.assert_share(bodies.count("there"), 1 / 4, total)

    def test_without_an_own_zone_it_runs_and_says_so(self):
        daemon = self.proxy(endpoint(self.origin(answers(body=b"here")), zone="a"),
                            node={"zone": "${NO_SUCH_ZONE:-}"},
                            upstream={"load_balancer": {"zone_aware": {}}})
        self.assertEqual("here", self.body(daemon))
        self.assertIn("upstream u: zone_aware does nothing, because node.zone is empty",
                      daemon.log())

    def test_nothing_spills_from_a_zone_that_is_healthy(self):
        here = [self.origin(answers(body=b"here")) for _ in range(3)]
        there = self.origin(answers(body=b"there"))
        daemon = self.proxy(*[endpoint(each, zone="a") for each in here],
                            endpoint(there, zone="b"), node={"zone": "a"},
                            upstream={"load_balancer": {"zone_aware": {}}})
        self.assertEqual({"here"}, {self.body(daemon) for _ in range(30)})


class WeightTest(BalanceTest):
    def test_weights_are_kept_by_drawing_policies(self):
        # Not p2c_ewma, in which the origins' latencies have a say.
        for policy in ("least_request", "random"):
            with self.subTest(policy):
                light, heavy = self.named(2)
                daemon = self.proxy(endpoint(light), endpoint(heavy, weight=3),
                                    upstream={"load_balancer": {"policy": policy}})
                total = 300
                bodies = [self.body(daemon) for _ in range(total)]
                self.assert_share(bodies.count("1"), 3 / 4, total)

    def test_a_weight_of_the_hashes(self):
        light, heavy = self.named(2)
        daemon = self.proxy(endpoint(light), endpoint(heavy, weight=4),
                            upstream=hashed("maglev", "path"))
        total = 300
        bodies = [self.body(daemon, f"/{i}") for i in range(total)]
        self.assert_share(bodies.count("1"), 4 / 5, total)


class PanicTest(BalanceTest):
    def test_all_unhealthy_are_asked_all_the_same_and_it_is_shown(self):
        sick = threading.Event()

        def behave(call):
            return call.answer(503 if call.target == "/healthz" and sick.is_set() else 200)
        origins = [self.origin(behave) for _ in range(2)]
        daemon = self.proxy(*origins, upstream={
            "health_check": {"http": {}, "interval": "50ms", "no_traffic_interval": "50ms",
                             "timeout": "10s"}})
        daemon.wait_metric("upstream_panic", 0, upstream="u")
        sick.set()
        daemon.wait_metric("upstream_panic", 1, upstream="u")
        self.assertIs(True, daemon.admin_json("/upstreams")["upstreams"][0]["panic"])
        self.assertEqual(200, self.request(daemon).status)

        def told():
            return [event["to"] for event in daemon.admin_json("/events")["events"]
                    if event["kind"] == "panic"]
        self.eventually(lambda: told() == ["begun"], "the event")
        sick.clear()
        daemon.wait_metric("upstream_panic", 0, upstream="u")
        self.eventually(lambda: told() == ["begun", "ended"], "its end")


class ShownTest(BalanceTest):
    def test_upstreams_show_where_endpoints_stand(self):
        one, other = self.named(2)
        daemon = self.proxy(endpoint(one, zone="a"), endpoint(other, priority=2, weight=5),
                            upstream={"load_balancer": {"policy": "ring_hash",
                                                        "hash_on": "path", "slow_start": "30s"}})
        upstream = daemon.admin_json("/upstreams")["upstreams"][0]
        self.assertEqual("ring_hash", upstream["load_balancer"])
        self.assertIs(False, upstream["panic"])
        shown = [(each["zone"], each["priority"], each["weight"])
                 for each in upstream["endpoints"]]
        self.assertEqual([("a", 0, 1), ("", 2, 5)], shown)
        self.assertEqual(0, daemon.metric("upstream_panic", upstream="u"))


if __name__ == "__main__":
    unittest.main()
