"""Active health checks: who is asked how, who gets no traffic by it, and what is told of it."""

import os
import unittest

from harness import Case, answers, free_address, hangs, run_binary, sends

# Often, and as often without traffic; three failures and two successes in a row count.
OFTEN = {"interval": "50ms", "no_traffic_interval": "50ms", "timeout": "10s"}
HTTP = {"http": {}, **OFTEN}
NO_EJECTION = {"outlier_detection": "off"}
NO_PANIC = {"load_balancer": {"policy": "round_robin", "panic_threshold_percent": "off"}}
PLAIN = {**NO_EJECTION, **NO_PANIC}


class Patient:
    """An origin's behaviour whose health the test decides; it says its name to all others."""

    def __init__(self, name="ok", well=True):
        self.name = name
        self.check = answers() if well else answers(503)
        self.checks = []

    def __call__(self, call):
        if call.target != "/healthz":
            return call.answer(200, self.name)
        self.checks.append(call)
        self.check(call)

    def falls_ill(self, how=answers(503)):
        self.check = how

    def recovers(self):
        self.check = answers()


class HealthCase(Case):
    def patient(self, name="ok", **options):
        patient = Patient(name, **options)
        patient.origin = self.origin(patient)
        return patient

    def watched(self, *patients, check=HTTP, upstream=PLAIN, **options):
        return self.proxy(*(patient.origin for patient in patients),
                          upstream={"health_check": check, **upstream}, **options)

    @staticmethod
    def endpoint(daemon, index=0):
        return daemon.admin_json("/upstreams")["upstreams"][0]["endpoints"][index]

    def health(self, daemon, index=0):
        return self.endpoint(daemon, index)["health_check"]

    def wait_state(self, daemon, state, index=0):
        self.eventually(lambda: self.endpoint(daemon, index)["state"] == state,
                        f"endpoint {index} is {state}")

    def answered_by(self, daemon, requests=10):
        return {self.request(daemon).text for _ in range(requests)}


class ThresholdsTest(HealthCase):
    def test_failing_takes_out_and_passing_brings_back(self):
        ill, well = self.patient("ill"), self.patient("well")
        daemon = self.watched(ill, well)
        self.assertEqual({"ill", "well"}, self.answered_by(daemon))
        ill.falls_ill()
        self.wait_state(daemon, "unhealthy")
        self.assertEqual({"well"}, self.answered_by(daemon))
        daemon.wait_metric("upstream_endpoints", 1, upstream="u", state="unhealthy")
        daemon.wait_metric("upstream_endpoints", 1, upstream="u", state="healthy")
        health = self.health(daemon)
        self.assertEqual((False, "failure", "status 503"),
                         (health["healthy"], health["last_result"], health["reason"]))
        self.assertGreaterEqual(health["consecutive"], 3)
        self.assertIn(f"endpoint {ill.origin.address} is unhealthy: 3 failed checks in a row, "
                      "the last: status 503", daemon.log())
        ill.recovers()
        self.wait_state(daemon, "healthy")
        self.assertEqual({"ill", "well"}, self.answered_by(daemon))
        self.assertIn(f"endpoint {ill.origin.address} is healthy: 2 good checks in a row",
                      daemon.log())
        daemon.wait_metric("health_checks_total", lambda n: n >= 3, upstream="u", result="failure")
        daemon.wait_metric("health_checks_total", lambda n: n >= 4, upstream="u", result="success")

    def test_changes_are_events(self):
        patient = self.patient(well=False)
        daemon = self.watched(patient)
        self.wait_state(daemon, "unhealthy")
        patient.recovers()
        self.wait_state(daemon, "healthy")
        events = {event["to"]: event for event in daemon.admin_json("/events")["events"]
                  if event["kind"] == "health"}
        self.assertEqual({"unhealthy", "healthy"}, set(events))
        self.assertEqual(patient.origin.address, events["unhealthy"]["endpoint"])
        self.assertIn("status 503", events["unhealthy"]["cause"])

    def test_not_before_the_threshold_in_either_direction(self):
        gate, patient = self.gate(), self.patient()
        failures = []

        def third_waits(call):
            failures.append(call)
            if len(failures) == 3:
                call.wait(gate)
            call.answer(503)
        daemon = self.watched(patient)
        patient.falls_ill(third_waits)
        self.eventually(lambda: len(failures) == 3, "the third failing check")
        health = self.health(daemon)
        self.assertEqual((True, 2), (health["healthy"], health["consecutive"]))
        self.assertEqual(200, self.request(daemon).status)
        gate.set()
        self.wait_state(daemon, "unhealthy")
        second = self.gate()
        successes = []

        def second_waits(call):
            successes.append(call)
            if len(successes) == 2:
                call.wait(second)
            call.answer(200)
        patient.check = second_waits
        self.eventually(lambda: len(successes) == 2, "the second passing check")
        health = self.health(daemon)
        self.assertEqual((False, 1), (health["healthy"], health["consecutive"]))
        self.assert_local(self.request(daemon), 503, "no-healthy-upstream",
                          "destination_unavailable")
        second.set()
        self.wait_state(daemon, "healthy")

    def test_all_unhealthy_is_no_healthy_upstream_where_panic_is_off(self):
        one, two = self.patient(well=False), self.patient(well=False)
        daemon = self.watched(one, two)
        daemon.wait_metric("upstream_endpoints", 2, state="unhealthy")
        self.assert_local(self.request(daemon), 503, "no-healthy-upstream",
                          "destination_unavailable")
        two.recovers()
        daemon.wait_metric("upstream_endpoints", 1, state="healthy")
        self.assertEqual(200, self.request(daemon).status)

    def test_readyz_asks_for_a_healthy_endpoint_of_ready_upstreams(self):
        patient = self.patient()
        daemon = self.watched(patient, ready={"upstreams": ["u"]})
        patient.falls_ill()
        self.eventually(lambda: daemon.admin("GET", "/readyz").status == 503, "not ready")
        patient.recovers()
        self.eventually(lambda: daemon.admin("GET", "/readyz").status == 200, "ready")


class PanicTest(HealthCase):
    """With the default panic_threshold_percent of 25."""

    def test_where_all_are_unhealthy_health_is_ignored_and_readiness_is_not(self):
        one, two = self.patient("one"), self.patient("two")
        daemon = self.watched(one, two, upstream={
            **NO_EJECTION, "load_balancer": {"policy": "round_robin"}}, ready={"upstreams": ["u"]})
        one.falls_ill()
        self.wait_state(daemon, "unhealthy", 0)
        self.assertEqual({"two"}, self.answered_by(daemon))
        self.assertEqual(0, daemon.metric("upstream_panic", upstream="u"))
        two.falls_ill()
        self.wait_state(daemon, "unhealthy", 1)
        self.assertEqual({"one", "two"}, self.answered_by(daemon))
        daemon.wait_metric("upstream_panic", 1, upstream="u")
        self.assertEqual(503, daemon.admin("GET", "/readyz").status)
        two.recovers()
        self.wait_state(daemon, "healthy", 1)
        self.assertEqual({"two"}, self.answered_by(daemon))
        daemon.wait_metric("upstream_panic", 0, upstream="u")
        self.assertEqual(200, daemon.admin("GET", "/readyz").status)


class InitiallyTest(HealthCase):
    def test_unhealthy_gets_no_traffic_before_its_first_success(self):
        gate, late, early = self.gate(), self.patient("late"), self.patient("early")

        def waits(call):
            call.wait(gate)
            call.answer()
        late.falls_ill(waits)
        daemon = self.watched(late, early, check={**HTTP, "initially": "unhealthy",
                                                  "healthy_threshold": 1000})
        self.wait_state(daemon, "healthy", 1)  # at its first success, whatever the threshold
        self.assertEqual({"early"}, self.answered_by(daemon))
        self.assertEqual(None, self.health(daemon)["last_result"])
        gate.set()
        self.wait_state(daemon, "healthy", 0)
        self.assertEqual({"early", "late"}, self.answered_by(daemon))

    def test_unhealthy_alone_is_a_503_until_then(self):
        gate, patient = self.gate(), self.patient()

        def waits(call):
            call.wait(gate)
            call.answer()
        patient.falls_ill(waits)
        daemon = self.watched(patient, check={**HTTP, "initially": "unhealthy"})
        self.assert_local(self.request(daemon), 503, "no-healthy-upstream")
        gate.set()
        self.eventually(lambda: self.request(daemon).status == 200, "traffic")

    def test_healthy_is_the_default(self):
        patient = self.patient()
        patient.falls_ill(hangs)
        daemon = self.watched(patient)
        self.assertEqual(200, self.request(daemon).status)


class KindsTest(HealthCase):
    def assert_unhealthy(self, daemon, result, reason):
        self.wait_state(daemon, "unhealthy")
        health = self.health(daemon)
        self.assertEqual((result, reason), (health["last_result"], health["reason"]))
        daemon.wait_metric("health_checks_total", lambda n: n >= 3, upstream="u", result=result)

    def test_the_request_that_is_sent(self):
        origin = self.origin()
        daemon = self.proxy(origin, upstream={"health_check": {**OFTEN, "http": {
            "path": "/ready?deep=1", "host": "pay.internal", "headers": {"X-Probe": "yes"}}}})
        origin.wait_calls(2)
        for call in origin.calls[:2]:
            self.assertEqual(("GET", "/ready?deep=1", "HTTP/1.1"),
                             (call.method, call.target, call.version))
            self.assertEqual("pay.internal", call.fields.get("Host"))
            self.assertEqual("outrigger-health-check", call.fields.get("User-Agent"))
            self.assertEqual("yes", call.fields.get("X-Probe"))
            self.assertEqual(["close"], call.fields.tokens("Connection"))
        self.assertNotEqual(origin.calls[0].connection, origin.calls[1].connection)
        self.assertEqual("healthy", self.endpoint(daemon)["state"])

    def test_the_host_is_the_endpoints_address(self):
        patient = self.patient()
        self.watched(patient)
        patient.origin.wait_calls(1)
        self.assertEqual(patient.origin.address, patient.origin.calls[0].fields.get("Host"))

    def test_no_answer_in_time(self):
        patient = self.patient()
        daemon = self.watched(patient, check={**HTTP, "timeout": "100ms"})
        patient.falls_ill(hangs)
        self.assert_unhealthy(daemon, "timeout", "no answer in time")
        patient.recovers()
        self.wait_state(daemon, "healthy")

    def test_a_head_that_trickles_is_no_answer_in_time(self):
        patient = self.patient()
        daemon = self.watched(patient, check={**HTTP, "timeout": "100ms"})

        def trickles(call):
            call.send("HTTP/1.1 200 OK\r\nContent-Le")
            call.wait_gone()
        patient.falls_ill(trickles)
        self.assert_unhealthy(daemon, "timeout", "no answer in time")

    def test_only_the_expected_statuses_are_healthy(self):
        patient = self.patient()
        patient.falls_ill(answers(403))
        daemon = self.watched(patient, check={**OFTEN, "http": {"expect": [204, "400-404"]}})
        self.eventually(lambda: len(patient.checks) >= 4, "checks")
        self.assertEqual("healthy", self.endpoint(daemon)["state"])
        patient.falls_ill(answers(200))
        self.assert_unhealthy(daemon, "failure", "status 200")
        patient.falls_ill(answers(204))
        self.wait_state(daemon, "healthy")

    def test_a_redirect_is_a_failure(self):
        patient = self.patient()
        daemon = self.watched(patient)
        patient.falls_ill(answers(302, fields=[("Location", "/elsewhere")]))
        self.assert_unhealthy(daemon, "failure", "status 302")

    def test_what_is_not_http(self):
        patient = self.patient()
        daemon = self.watched(patient)
        patient.falls_ill(sends("SSH-2.0-OpenSSH_9.2\r\n\r\n"))
        self.assert_unhealthy(daemon, "failure", "an answer that is not HTTP")

    def test_a_head_too_large(self):
        patient = self.patient()
        daemon = self.watched(patient)
        patient.falls_ill(sends("HTTP/1.1 200 OK\r\nX: " + "x" * 17 * 1024 + "\r\n\r\n"))
        self.assert_unhealthy(daemon, "failure", "an answer that is not HTTP")

    def test_closed_without_an_answer(self):
        patient = self.patient()
        daemon = self.watched(patient)

        def closes_now(call):
            call.close()
        patient.falls_ill(closes_now)
        self.assert_unhealthy(daemon, "failure", "closed without an answer")

    def test_a_body_without_end_does_not_matter(self):
        patient = self.patient()
        daemon = self.watched(patient)

        def endless(call):
            call.head(200, [("Transfer-Encoding", "chunked")])
            while not call.origin.stopping:
                call.send("1000\r\n" + "x" * 0x1000 + "\r\n")
        patient.falls_ill(endless)
        before = len(patient.checks)
        self.eventually(lambda: len(patient.checks) >= before + 5, "checks")
        self.assertEqual("healthy", self.endpoint(daemon)["state"])
        patient.recovers()
        patient.origin.wait_open(0)

    def test_informational_heads_are_passed_over(self):
        patient = self.patient()
        daemon = self.watched(patient)

        def early_hints(call):
            call.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            call.answer(500)
        patient.falls_ill(early_hints)
        self.assert_unhealthy(daemon, "failure", "status 500")

    def test_tcp_asks_for_a_connection_and_sends_nothing(self):
        patient = self.patient()
        daemon = self.watched(patient, check={"tcp": {}, **OFTEN})
        daemon.wait_metric("health_checks_total", lambda n: n >= 3, result="success")
        self.assertEqual([], patient.origin.calls)
        patient.origin.refuse()
        self.assert_unhealthy(daemon, "failure", "cannot connect")
        patient.origin.start()
        self.wait_state(daemon, "healthy")
        self.assertEqual(200, self.request(daemon).status)

    def test_another_port(self):
        sidecar = self.patient()
        origin = self.origin()
        daemon = self.proxy(origin, upstream={
            **PLAIN, "health_check": {**HTTP, "port": sidecar.origin.port}})
        self.eventually(lambda: len(sidecar.checks) >= 2, "checks at the other port")
        self.assertEqual([], origin.calls)
        self.assertEqual(sidecar.origin.address, sidecar.checks[0].fields.get("Host"))
        sidecar.falls_ill()
        self.wait_state(daemon, "unhealthy")
        self.assert_local(self.request(daemon), 503, "no-healthy-upstream")
        self.assertEqual([], origin.calls)

    def test_a_unix_socket(self):
        patient = Patient()
        origin = self.origin(patient, unix_path=os.path.join(self.directory, "s"))
        daemon = self.proxy(origin, upstream={**PLAIN, "health_check": {**HTTP, "port": 1}})
        self.eventually(lambda: len(patient.checks) >= 2, "checks")
        self.assertEqual("localhost", patient.checks[0].fields.get("Host"))
        patient.falls_ill()
        self.wait_state(daemon, "unhealthy")

    def test_a_name_is_checked_at_its_addresses(self):
        patient = self.patient()
        daemon = self.proxy(f"localhost:{patient.origin.port}",
                            upstream={**PLAIN, "health_check": HTTP})
        self.eventually(lambda: len(patient.checks) >= 2, "checks")
        self.assertEqual(f"localhost:{patient.origin.port}", patient.checks[0].fields.get("Host"))
        self.eventually(lambda: any(
            endpoint["health_check"]["last_result"] == "success"
            for endpoint in daemon.admin_json("/upstreams")["upstreams"][0]["endpoints"]), "health")


class EffectsTest(HealthCase):
    def test_idle_connections_of_the_unhealthy_are_closed(self):
        patient = self.patient()
        daemon = self.watched(patient, upstream={**PLAIN, "timeouts": {"idle": "60s"}},
                              check={**HTTP, "http": {"path": "/nobody"}, "interval": "1h",
                                     "no_traffic_interval": "1h"})
        self.assertEqual(200, self.request(daemon).status)
        daemon.wait_metric("upstream_connections", 1, state="idle")
        config = self.config(patient.origin, upstream={
            **PLAIN, "timeouts": {"idle": "60s"}, "health_check": HTTP})
        patient.falls_ill()
        daemon.write_config(config)
        self.assertEqual(200, daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"}).status)
        self.wait_state(daemon, "unhealthy")
        daemon.wait_metric("upstream_connections", 0, state="idle")

    def test_a_request_under_way_goes_on(self):
        gate, patient = self.gate(), self.patient()

        def behave(call):
            if call.target == "/slow":
                call.wait(gate)
            patient(call)
        origin = self.origin(behave)
        daemon = self.proxy(origin, upstream={**PLAIN, "health_check": HTTP})
        client = self.client(daemon)
        client.send_request("GET", "/slow")
        self.eventually(lambda: origin.count(target="/slow") == 1, "the request")
        patient.falls_ill()
        self.wait_state(daemon, "unhealthy")
        gate.set()
        self.assertEqual(200, client.read_response().status)

    def test_a_retry_does_not_go_to_the_unhealthy(self):
        ill = self.patient("ill", well=False)
        failing = self.origin(lambda call: call.answer(200 if call.target == "/healthz" else 503))
        daemon = self.proxy(failing, ill.origin, upstream={**PLAIN, "health_check": HTTP},
                            route={"retry": {"retry_on": [503]}})
        self.wait_state(daemon, "unhealthy", 1)
        self.assert_upstream_answer(self.request(daemon), 503)
        self.assertEqual(0, ill.origin.count(target="/"))

    def test_without_traffic_checks_are_rare_and_with_it_they_are_not(self):
        patient = self.patient()
        daemon = self.watched(patient, check={"http": {}, "interval": "50ms",
                                              "no_traffic_interval": "24h"})
        self.eventually(lambda: len(patient.checks) >= 2, "two checks, to be sure of it")
        other = self.patient()  # a second's worth of checks elsewhere, as a clock
        second = self.watched(other)
        self.eventually(lambda: len(other.checks) >= 10, "ten checks elsewhere")
        self.assertEqual(2, len(patient.checks))
        self.request(daemon)
        self.eventually(lambda: len(patient.checks) >= 5, "checks with traffic")
        del second

    def test_dead_and_silent_endpoints_cost_no_descriptors(self):
        silent = self.patient()
        silent.falls_ill(hangs)
        daemon = self.proxy(silent.origin, *(free_address() for _ in range(3)), upstream={
            **PLAIN, "health_check": {**HTTP, "interval": "10ms", "no_traffic_interval": "10ms",
                                      "timeout": "30ms"}})

        def descriptors():
            return len(os.listdir(f"/proc/{daemon.pid}/fd"))

        def checks():
            return sum(daemon.metric("health_checks_total", result=result)
                       for result in ("failure", "timeout"))
        self.eventually(lambda: checks() >= 50, "checks")
        before = descriptors()
        self.eventually(lambda: checks() >= 500, "checks")
        # Those under way: one an endpoint.
        self.assertLessEqual(descriptors(), before + 4)

    def test_many_answers_leave_no_descriptors_behind(self):
        patient = self.patient()
        daemon = self.watched(patient, check={**HTTP, "interval": "10ms",
                                              "no_traffic_interval": "10ms"})
        self.eventually(lambda: len(patient.checks) >= 50, "checks")
        before = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        self.eventually(lambda: len(patient.checks) >= 300, "checks")
        self.assertLessEqual(len(os.listdir(f"/proc/{daemon.pid}/fd")), before + 4)


class ReloadTest(HealthCase):
    RARELY = {"http": {}, "interval": "1h", "no_traffic_interval": "1h", "timeout": "10s"}

    def reload(self, daemon, *origins, upstream):
        daemon.write_config(self.config(*origins, upstream=upstream))
        response = daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"})
        self.assertEqual(200, response.status, response.text)

    def test_a_reload_keeps_what_is_known(self):
        ill, well = self.patient("ill"), self.patient("well")
        daemon = self.watched(ill, well)
        ill.falls_ill()
        self.wait_state(daemon, "unhealthy")
        ill.recovers()
        # Unless it had been kept, nobody would know for an hour.
        self.reload(daemon, ill.origin, well.origin,
                    upstream={**PLAIN, "health_check": {**self.RARELY, "healthy_threshold": 1000}})
        self.assertEqual("unhealthy", self.endpoint(daemon)["state"])
        self.assertEqual({"well"}, self.answered_by(daemon))

    def test_new_settings_are_followed(self):
        origin = self.origin(by_path({"/old": answers(), "/new": answers(500)}))
        daemon = self.proxy(origin, upstream={
            **PLAIN, "health_check": {**OFTEN, "http": {"path": "/old"}}})
        self.eventually(lambda: origin.count(target="/old") >= 3, "checks")
        self.reload(daemon, origin, upstream={
            **PLAIN, "health_check": {**OFTEN, "http": {"path": "/new"}}})
        self.wait_state(daemon, "unhealthy")

    def test_switched_off_all_are_healthy(self):
        patient = self.patient(well=False)
        daemon = self.watched(patient)
        self.wait_state(daemon, "unhealthy")
        self.reload(daemon, patient.origin, upstream=PLAIN)
        self.assertEqual("healthy", self.endpoint(daemon)["state"])
        self.assertIsNone(self.health(daemon))
        self.assertEqual(200, self.request(daemon).status)
        patient.origin.wait_open(1)
        self.assertNotIn("outrigger_health_checks_total", daemon.admin("GET", "/metrics").text)
        self.reload(daemon, patient.origin, upstream={**PLAIN, "health_check": HTTP})
        self.wait_state(daemon, "unhealthy")

    def test_switched_on_for_an_upstream_in_use(self):
        patient = self.patient()
        daemon = self.proxy(patient.origin, upstream=PLAIN)
        self.assertEqual(200, self.request(daemon).status)
        gate = self.gate()

        def waits(call):
            call.wait(gate)
            call.answer(503)
        patient.falls_ill(waits)
        # What has served until now is not new, whatever new ones begin with.
        self.reload(daemon, patient.origin, upstream={
            **PLAIN, "health_check": {**HTTP, "initially": "unhealthy"}})
        self.assertEqual(200, self.request(daemon).status)
        gate.set()
        self.wait_state(daemon, "unhealthy")

    def test_endpoints_that_come_and_go(self):
        first, second = self.patient("first"), self.patient("second", well=False)
        check = {**HTTP, "initially": "unhealthy"}
        daemon = self.watched(first, check=check)
        self.wait_state(daemon, "healthy")
        self.reload(daemon, first.origin, second.origin,
                    upstream={**PLAIN, "health_check": check})
        self.assertEqual({"first"}, self.answered_by(daemon))
        self.eventually(lambda: len(second.checks) >= 3, "checks of the new one")
        second.recovers()
        self.wait_state(daemon, "healthy", 1)
        self.reload(daemon, second.origin, upstream={**PLAIN, "health_check": check})
        self.assertEqual({"second"}, self.answered_by(daemon))
        first.origin.wait_idle()
        gone = len(first.checks)
        more = len(second.checks) + 5
        self.eventually(lambda: len(second.checks) >= more, "checks")
        self.assertLessEqual(len(first.checks), gone + 1)

    def test_grpc_is_refused_for_now(self):
        path = os.path.join(self.directory, "c.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("""
listeners: [{address: "127.0.0.1:1", routes: [{upstream: u}]}]
upstreams: {u: {endpoints: ["127.0.0.1:2"], health_check: {grpc: {service: ""}}}}
""")
        status, _, err = run_binary("check", "-c", path)
        self.assertEqual(2, status)
        self.assertIn("health_check.grpc", err)


def by_path(behaviours):
    return lambda call: behaviours.get(call.target, answers())(call)


if __name__ == "__main__":
    unittest.main()
