"""What people do through the admin interface, and what /events tells of it: on the running program,
with real sockets.
"""

import datetime
import json
import threading

from harness import Case, Incomplete, answers, resets

BY_HAND = {"X-Outrigger-Admin": "1"}
NO_EJECTION = {"outlier_detection": "off"}
FAULTS = {"admin": {"faults": {"max_percent": 100, "max_duration": "1h"}}}


def in_seconds(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class AdminCase(Case):
    def change(self, daemon, method, path, body=None, status=200):
        response = daemon.admin(method, path, BY_HAND, body)
        self.assertEqual(status, response.status, f"{method} {path}: {response.text}")
        return response.text

    def post(self, daemon, path, status=200):
        return self.change(daemon, "POST", path, status=status)

    def put_fault(self, daemon, fault, status=200, route="r"):
        return self.change(daemon, "PUT", f"/faults/{route}", json.dumps(fault).encode(), status)

    def events(self, daemon, since=0):
        return daemon.admin_json(f"/events?since={since}")["events"]

    def wait_event(self, daemon, **wanted):
        def look():
            return [event for event in self.events(daemon)
                    if all(event.get(key) == value for key, value in wanted.items())]
        return self.eventually(look, f"an event {wanted}")

    def upstream(self, daemon, name="u"):
        return next(each for each in daemon.admin_json("/upstreams")["upstreams"]
                    if each["name"] == name)

    def route(self, daemon, name="r"):
        return next(each for each in daemon.admin_json("/routes")["routes"]
                    if each["name"] == name)


class RulesTest(AdminCase):
    CHANGES = [("POST", "/upstreams/u/endpoints/x/eject"),
               ("POST", "/upstreams/u/endpoints/x/restore"),
               ("POST", "/circuit-breakers/upstream/u/open"),
               ("POST", "/circuit-breakers/route/r/auto"),
               ("PUT", "/faults/r"), ("DELETE", "/faults/r"), ("POST", "/log-level/debug"),
               ("POST", "/reload"), ("POST", "/drain"), ("POST", "/quit")]

    def test_without_the_header_nothing_is_changed(self):
        daemon = self.proxy(self.origin())
        for method, path in self.CHANGES:
            response = daemon.admin(method, path)
            self.assertEqual(403, response.status, path)
            self.assertIn("X-Outrigger-Admin", response.text)
        self.assertEqual([], self.events(daemon))

    def test_a_foreign_origin_changes_nothing(self):
        daemon = self.proxy(self.origin())
        for method, path in self.CHANGES:
            fields = {**BY_HAND, "Origin": "https://elsewhere.example"}
            response = daemon.admin(method, path, fields)
            self.assertEqual(403, response.status, path)

    def test_with_a_token_only_the_token_counts(self):
        token_file = f"{self.directory}/token"
        with open(token_file, "w", encoding="ascii") as file:
            file.write("secret\r\n")  # as a Windows editor leaves it
        daemon = self.proxy(self.origin(), admin={"token_file": token_file})
        bearer = {"Authorization": "Bearer secret"}
        for method, path in self.CHANGES:
            self.assertEqual(401, daemon.admin(method, path, BY_HAND).status, path)
        self.assertEqual(401, daemon.admin("GET", "/events").status)
        self.assertEqual(200, daemon.admin("GET", "/events", bearer).status)
        self.assertEqual(200, daemon.admin("POST", "/log-level/debug", bearer).status)

    def test_a_wrong_method_is_told_the_right_ones(self):
        daemon = self.proxy(self.origin())
        for method, path, allow in [("GET", "/reload", "POST"), ("POST", "/events", "GET, HEAD"),
                                    ("GET", "/drain", "POST, DELETE"),
                                    ("POST", "/faults/r", "PUT, DELETE"),
                                    ("DELETE", "/circuit-breakers/route/r/open", "POST"),
                                    ("PATCH", "/faults/r", "PUT, DELETE")]:
            response = daemon.admin(method, path, BY_HAND)
            self.assertEqual((405, allow), (response.status, response.fields.get("Allow")), path)
        self.assertEqual(404, daemon.admin("POST", "/nothing", BY_HAND).status)
        self.assertEqual(404, daemon.admin("GET", "/events/").status)

    def test_unknown_names_are_answered_with_those_that_exist(self):
        origin = self.origin()
        daemon = self.proxy(origin)
        for path, there in [("/upstreams/x/endpoints/a/eject", "u"),
                            ("/upstreams/u/endpoints/a/eject", origin.address),
                            ("/upstreams/u/endpoints/a/restore", origin.address),
                            ("/circuit-breakers/route/x/open", "r"),
                            ("/circuit-breakers/upstream/x/open", "u"),
                            ("/log-level/loud", "trace, debug, info, warn, error")]:
            self.assertIn(f"there are: {there}", self.post(daemon, path, 404))

    def test_bodies_are_bounded(self):
        daemon = self.proxy(self.origin(), **FAULTS)
        self.change(daemon, "PUT", "/faults/r", b" " * (16 * 1024 + 1), 413)
        response = daemon.admin("PUT", "/faults/r", {**BY_HAND, "Transfer-Encoding": "chunked"})
        self.assertEqual(411, response.status)


class EventsTest(AdminCase):
    def test_an_outage_is_told_in_order(self):
        failing = threading.Event()
        failing.set()

        def behave(call):
            (resets if failing.is_set() else answers())(call)
        bad = self.origin(behave)
        good = self.origin()
        daemon = self.proxy(bad, good, route={"retry": {"max_retries": 0}}, upstream={
            "load_balancer": {"policy": "round_robin"},
            "outlier_detection": {"consecutive_local_origin_failures": 2,
                                  "base_ejection_time": "1s", "interval": "1s"}})

        def last_after_a_request():
            self.request(daemon)
            events = self.events(daemon)
            return events[-1]["kind"] if events else None
        self.eventually(lambda: last_after_a_request() == "ejected", "an ejection")
        ejected = self.wait_event(daemon, kind="ejected")[0]
        self.assertEqual(("u", bad.address), (ejected["upstream"], ejected["endpoint"]))
        self.assertIn("2 in a row", ejected["cause"])
        failing.clear()
        self.eventually(lambda: last_after_a_request() == "returned", "a return")
        numbers = [event["sequence"] for event in self.events(daemon)]
        self.assertEqual(list(range(1, len(numbers) + 1)), numbers)

    def test_a_breaker_tells_each_of_its_states(self):
        failing = threading.Event()
        failing.set()

        def behave(call):
            answers(503 if failing.is_set() else 200)(call)
        breaker = {"consecutive_failures": 3, "open_for": "500ms", "half_open_requests": 2}
        daemon = self.proxy(self.origin(behave), route={"retry": {"max_retries": 0}},
                            upstream={**NO_EJECTION, "circuit_breaker": breaker})
        for _ in range(3):
            self.request(daemon)
        self.assert_local(self.request(daemon), 503, "circuit-open")
        failing.clear()
        self.eventually(lambda: self.request(daemon).status == 200, "a probe")
        self.request(daemon)
        self.wait_event(daemon, to="closed")
        told = [(each["kind"], each["upstream"], each["to"]) for each in self.events(daemon)]
        self.assertEqual([("circuit-breaker", "u", to) for to in ("open", "half-open", "closed")],
                         told)
        causes = [each["cause"] for each in self.events(daemon)]
        self.assertRegex(causes[0], r"^3 failures in a row; open for 0\.\d s$")
        self.assertEqual("2 probes succeeded", causes[2])
        since = self.events(daemon, since=2)
        self.assertEqual([3], [each["sequence"] for each in since])

    def test_a_routes_breaker_tells_too(self):
        daemon = self.proxy(self.origin(answers(500)), upstream=NO_EJECTION, route={
            "circuit_breaker": {"consecutive_failures": 1}, "retry": {"max_retries": 0}})
        self.request(daemon)
        self.wait_event(daemon, kind="circuit-breaker", route="r", to="open")

    def test_reloads_and_drains(self):
        config = self.config(self.origin())
        config["shutdown"] = {"delay": "30s", "drain_timeout": "30s"}
        config["listeners"][0]["direction"] = "inbound"
        daemon = self.start(config)
        self.post(daemon, "/reload")
        self.wait_event(daemon, kind="reload", to="in-force")
        daemon.write_config("listeners: nonsense\n")
        self.assertEqual(422, daemon.admin("POST", "/reload", BY_HAND).status)
        refused = self.wait_event(daemon, kind="reload", to="refused")[0]
        self.assertIn("listeners", refused["cause"])
        self.assertEqual(202, daemon.admin("POST", "/drain", BY_HAND).status)
        self.wait_event(daemon, kind="drain", to="draining")
        self.assertEqual(200, daemon.admin("DELETE", "/drain", BY_HAND).status)
        self.wait_event(daemon, kind="drain", to="serving")
        self.post(daemon, "/quit", 202)
        self.assertEqual(0, daemon.wait_exit())

    def test_a_wrong_since_is_refused(self):
        daemon = self.proxy(self.origin())
        for query in ("since=x", "since=", "since=-1", "other=1", "since=1&a"):
            self.assertEqual(400, daemon.admin("GET", f"/events?{query}").status, query)


class EjectionByHandTest(AdminCase):
    def test_an_ejected_endpoint_gets_nothing_until_it_is_restored(self):
        one, two = self.origin(), self.origin()
        daemon = self.proxy(one, two, upstream={"load_balancer": {"policy": "round_robin"}})
        self.post(daemon, f"/upstreams/u/endpoints/{one.address}/eject")
        self.assertIn("already", self.post(daemon, f"/upstreams/u/endpoints/{one.address}/eject"))
        for _ in range(10):
            self.assertEqual(200, self.request(daemon).status)
        self.assertEqual((0, 10), (len(one.calls), len(two.calls)))
        self.assertTrue(self.upstream(daemon)["endpoints"][0]["by_hand"])
        self.wait_event(daemon, kind="ejected", endpoint=one.address, by_hand=True)

        self.post(daemon, f"/upstreams/u/endpoints/{one.address}/restore")
        self.eventually(lambda: self.request(daemon) and len(one.calls) > 0, "traffic to it")
        self.wait_event(daemon, kind="returned", endpoint=one.address, by_hand=True)

    def test_a_socket_path_is_percent_encoded(self):
        path = f"{self.directory}/app.sock"
        origin = self.origin(unix_path=path)
        daemon = self.proxy(origin)
        encoded = f"unix:{path}".replace("/", "%2F")
        self.post(daemon, f"/upstreams/u/endpoints/{encoded}/eject")
        self.assert_local(self.request(daemon), 503, "no-healthy-upstream")
        self.post(daemon, f"/upstreams/u/endpoints/{encoded}/restore")
        self.assertEqual(200, self.request(daemon).status)


class BreakerByHandTest(AdminCase):
    def test_open_close_and_auto_without_a_configured_breaker(self):
        for scope, name in (("upstream", "u"), ("route", "r")):
            with self.subTest(scope=scope):
                origin = self.origin()
                daemon = self.proxy(origin)
                shown = self.upstream if scope == "upstream" else self.route
                self.assertIsNone(shown(daemon)["circuit_breaker"])
                path = f"/circuit-breakers/{scope}/{name}"
                self.post(daemon, f"{path}/open")
                response = self.request(daemon)
                self.assert_local(response, 503, "circuit-open", "destination_unavailable")
                self.assertEqual("5", response.fields.get("Retry-After"))
                self.assertEqual("open", shown(daemon)["circuit_breaker"]["by_hand"])
                daemon.wait_metric("circuit_breaker_state", 2, scope=scope, name=name)
                daemon.wait_metric("circuit_breaker_rejected_total", 1, scope=scope, name=name)
                self.post(daemon, "/reload")
                self.assert_local(self.request(daemon), 503, "circuit-open")

                self.post(daemon, f"{path}/close")
                self.assertEqual(200, self.request(daemon).status)
                self.assertEqual("closed", shown(daemon)["circuit_breaker"]["by_hand"])
                self.post(daemon, f"{path}/auto")
                self.assertEqual(200, self.request(daemon).status)
                self.assertIsNone(shown(daemon)["circuit_breaker"])
                told = [(each[scope], each["to"], each["by_hand"]) for each in self.events(daemon)
                        if each["kind"] == "circuit-breaker"]
                self.assertEqual([(name, to, True) for to in ("open", "closed", "closed")], told)

    def test_closed_by_hand_it_never_opens(self):
        breaker = {"consecutive_failures": 2, "open_for": "60s"}
        daemon = self.proxy(self.origin(answers(500)), route={"retry": {"max_retries": 0}},
                            upstream={**NO_EJECTION, "circuit_breaker": breaker})
        self.post(daemon, "/circuit-breakers/upstream/u/close")
        for _ in range(5):
            self.assert_upstream_answer(self.request(daemon), 500)
        self.assertEqual(5, self.upstream(daemon)["circuit_breaker"]["window"]["failures"])
        self.post(daemon, "/circuit-breakers/upstream/u/auto")
        self.assertEqual(0, self.upstream(daemon)["circuit_breaker"]["window"]["failures"])
        for _ in range(2):
            self.assert_upstream_answer(self.request(daemon), 500)
        self.assert_local(self.request(daemon), 503, "circuit-open")


class FaultTest(AdminCase):
    POLICIES = {"upstream": {"circuit_breaker": {"consecutive_failures": 1}},
                "route": {"circuit_breaker": {"consecutive_failures": 1}}}

    def proxy_with(self, origin, fault, **top):
        route = {**self.POLICIES["route"], "fault": fault}
        return self.proxy(origin, upstream=self.POLICIES["upstream"], route=route, **top)

    def test_an_abort_asks_nobody_and_counts_for_no_breaker(self):
        origin = self.origin()
        daemon = self.proxy_with(origin, {"abort": {"percent": 100, "status": 503}})
        for _ in range(5):
            self.assert_local(self.request(daemon), 503, "fault-injected",
                              "proxy_internal_response")
        self.assertEqual([], origin.calls)
        self.assertEqual("closed", self.upstream(daemon)["circuit_breaker"]["state"])
        self.assertEqual("closed", self.route(daemon)["circuit_breaker"]["state"])
        self.assertEqual(0, self.route(daemon)["circuit_breaker"]["window"]["failures"])
        daemon.wait_metric("faults_injected_total", 5, route="r", kind="abort")
        daemon.wait_metric("local_replies_total", 5, route="r", reason="fault-injected")

    def test_an_abort_has_the_status_that_was_set(self):
        daemon = self.proxy_with(self.origin(), {"abort": {"percent": 100, "status": 418}})
        self.assert_local(self.request(daemon), 418, "fault-injected")

    def test_a_reset_breaks_the_connection(self):
        origin = self.origin()
        daemon = self.proxy_with(origin, {"abort": {"percent": 100, "status": "reset"}})
        client = self.client(daemon)
        client.send_request("GET", "/")
        with self.assertRaises(Incomplete) as broken:
            client.read_response_head()
        self.assertTrue(broken.exception.was_reset)
        self.assertEqual([], origin.calls)
        daemon.wait_metric("faults_injected_total", 1, route="r", kind="reset")

    def test_a_delay_waits_and_then_asks(self):
        origin = self.origin()
        daemon = self.proxy_with(origin, {"delay": {"percent": 100, "duration": "200ms"}})
        self.assertEqual(200, self.request(daemon).status)
        self.assertEqual(200, self.request(daemon, "POST", body=b"x" * 200_000).status)
        self.assertEqual([0, 200_000], [len(call.body) for call in origin.calls])
        daemon.wait_metric("faults_injected_total", 2, route="r", kind="delay")
        daemon.wait_metric("request_duration_seconds_sum", lambda value: value >= 0.4, route="r")

    def test_a_delay_ends_with_the_requests_time(self):
        origin = self.origin()
        daemon = self.proxy(origin, route={
            "timeouts": {"request": "200ms"},
            "fault": {"delay": {"percent": 100, "duration": "1h"}}})
        self.assert_local(self.request(daemon), 504, "timeout")
        self.assertEqual([], origin.calls)

    def test_a_caller_may_leave_during_a_delay(self):
        origin = self.origin()
        daemon = self.proxy(origin, route={"fault": {"delay": {"percent": 100, "duration": "1m"}}})
        client = self.client(daemon)
        client.send_request("GET", "/")
        daemon.wait_metric("requests_in_flight", 1, route="r")
        client.close()
        daemon.wait_metric("requests_in_flight", 0, route="r")
        self.assertEqual([], origin.calls)

    def test_only_requests_with_all_headers_are_hit(self):
        daemon = self.proxy_with(self.origin(), {
            "abort": {"percent": 100}, "headers": [{"name": "x-chaos", "value": "yes"},
                                                   {"name": "x-team", "present": True}]})
        self.assertEqual(200, self.request(daemon).status)
        self.assertEqual(200, self.request(daemon, fields={"X-Chaos": "yes"}).status)
        hit = {"X-Chaos": "yes", "X-Team": "a"}
        self.assert_local(self.request(daemon, fields=hit), 503, "fault-injected")

    def test_a_share_of_the_requests_is_hit(self):
        daemon = self.proxy_with(self.origin(), {"abort": {"percent": 50}})
        client = self.client(daemon)
        hit = 0
        for _ in range(200):
            client.send_request("GET", "/")
            hit += client.read_response().status == 503
        self.assertTrue(60 <= hit <= 140, hit)  # 5.6 standard deviations

    def test_a_fault_set_at_run_time_ends_by_itself(self):
        daemon = self.proxy(self.origin(), **FAULTS)
        self.put_fault(daemon, {"abort": {"percent": 100, "status": 500}, "until": in_seconds(3)})
        self.assert_local(self.request(daemon), 500, "fault-injected")
        fault = self.route(daemon)["fault"]
        self.assertTrue(fault["at_run_time"])
        self.assertEqual({"percent": 100, "status": 500}, fault["abort"])
        self.wait_event(daemon, kind="fault", route="r", to="set")
        self.eventually(lambda: self.request(daemon).status == 200, "its end")
        self.wait_event(daemon, kind="fault", route="r", to="ended")
        self.assertIsNone(self.route(daemon)["fault"])

    def test_a_fault_set_at_run_time_replaces_the_configured_one_until_it_is_removed(self):
        configured = {"abort": {"percent": 100, "status": 418}}
        daemon = self.proxy_with(self.origin(), configured, **FAULTS)
        self.change(daemon, "DELETE", "/faults/r", status=404)
        self.put_fault(daemon, {"abort": {"percent": 0}, "until": in_seconds(600)})
        self.assertEqual(200, self.request(daemon).status)
        self.post(daemon, "/reload")
        self.assertEqual(200, self.request(daemon).status)
        self.change(daemon, "DELETE", "/faults/r")
        self.assert_local(self.request(daemon), 418, "fault-injected")

    def test_at_run_time_the_configuration_sets_the_bounds(self):
        fault = {"abort": {"percent": 10}, "until": in_seconds(60)}
        daemon = self.proxy(self.origin())
        self.assertIn("admin.faults", self.put_fault(daemon, fault, 403))

        daemon = self.proxy(self.origin(), admin={
            "faults": {"max_percent": 25, "max_duration": "10m"}})
        self.put_fault(daemon, fault, 404, route="x")
        for wrong, status, said in [
                ({"abort": {"percent": 10}}, 422, "until is required"),
                ({**fault, "abort": {"percent": 26}}, 422, "max_percent (25)"),
                ({**fault, "until": in_seconds(3600)}, 422, "max_duration (600 s)"),
                ({**fault, "until": in_seconds(-5)}, 422, "over already"),
                ({"until": in_seconds(60)}, 400, "expected delay or abort"),
                ({**fault, "abort": {"percent": 101}}, 400, "percent"),
                ({**fault, "aborts": {}}, 400, "did you mean 'abort'"),
                ({**fault, "until": "tomorrow"}, 400, "until")]:
            self.assertIn(said, self.put_fault(daemon, wrong, status))
        self.change(daemon, "PUT", "/faults/r", b"{", 400)
        self.change(daemon, "PUT", "/faults/r", b"", 400)
        self.assertEqual([], self.events(daemon))
        self.put_fault(daemon, fault)
        yaml = f"abort: {{percent: 5, status: reset}}\nuntil: {in_seconds(60)}\n"
        self.change(daemon, "PUT", "/faults/r", yaml.encode())
        self.assertEqual("reset", self.route(daemon)["fault"]["abort"]["status"])

    def test_a_reload_ends_a_fault_that_it_does_not_allow_any_more(self):
        origin = self.origin()
        for after, cause in [({"admin": {}}, "admin.faults is off"),
                             ({"admin": {"faults": {"max_percent": 25}}}, "max_percent (25)"),
                             ({"admin": {"faults": {"max_percent": 100, "max_duration": "1m"}}},
                              "max_duration (60 s)")]:
            daemon = self.proxy(origin, **FAULTS)
            self.put_fault(daemon, {"abort": {"percent": 100}, "until": in_seconds(600)})
            self.assert_local(self.request(daemon), 503, "fault-injected")
            daemon.write_config(self.config(origin, **after))
            self.post(daemon, "/reload")
            self.assertEqual(200, self.request(daemon).status)
            self.assertIsNone(self.route(daemon)["fault"])
            ended = self.events(daemon)[-2]
            self.assertEqual(("fault", "ended"), (ended["kind"], ended["to"]))
            self.assertIn(cause, ended["cause"])
            self.assertFalse(ended["by_hand"])

    def test_a_route_that_answers_by_itself_takes_no_fault(self):
        routes = [{"name": "own", "respond": {"status": 200}},
                  {"name": "away", "match": {"path": "/old"}, "redirect": {"path": "/"}}]
        daemon = self.proxy(self.origin(), listener={"routes": routes}, **FAULTS)
        fault = {"abort": {"percent": 100}, "until": in_seconds(60)}
        for route in "own", "away":
            self.assertIn("no upstream", self.put_fault(daemon, fault, 422, route=route))
        self.assertEqual(200, self.request(daemon).status)


class LogLevelTest(AdminCase):
    def test_the_log_level_changes_at_once(self):
        daemon = self.proxy(self.origin(), log={"level": "error"})
        self.post(daemon, "/circuit-breakers/upstream/u/open")
        self.assertNotIn("circuit breaker", daemon.log())
        self.post(daemon, "/log-level/info")
        self.post(daemon, "/circuit-breakers/upstream/u/auto")
        self.eventually(lambda: "circuit breaker closed by hand" in daemon.log(), "a line")
        self.wait_event(daemon, kind="log-level", to="info")
