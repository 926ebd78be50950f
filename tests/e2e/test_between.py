"""Between proxies: several outriggers in a row, and siblings behind a caller's."""

import signal
import threading

from harness import Case, answers


class ChainTest(Case):
    """caller → outrigger → outrigger → outrigger → application"""

    RETRY = {"retry": {"max_retries": 2, "backoff": {"base": "0s", "max": "0s"}}}
    CALM = {"outlier_detection": "off",
            "retry_budget": {"percent": 100, "min_per_second": 100}}

    def chain(self, origin):
        behind = origin
        for direction in ("inbound", "outbound", "outbound"):
            behind = self.proxy(behind, route=self.RETRY, upstream=self.CALM,
                                listener={"direction": direction})
        return behind

    def test_retries_do_not_multiply(self):
        origin = self.origin(answers(503))
        front = self.chain(origin)
        self.assert_upstream_answer(self.request(front), 503)
        # Three tries of the last proxy; then each proxy before it adds its two retries, which
        # nobody behind it retries. Without the mark there would be 27.
        self.assertEqual(3 + 2 + 2, len(origin.calls))
        self.assertEqual([1, 2, 3, 2, 3, 2, 3], [call.attempt for call in origin.calls])

    def test_one_deadline_holds_for_all(self):
        origin = self.origin()
        front = self.chain(origin)
        self.assertEqual(200, self.request(front, fields={"x-request-timeout-ms": "3000"}).status)
        self.assertLessEqual(int(origin.calls[0].fields.get("x-request-timeout-ms")), 3000)

    def test_the_proxies_talk_among_themselves_only(self):
        """The last one refuses for want of its application: nothing of that reaches the caller."""
        origin = self.origin()
        front = self.chain(origin)
        origin.stop()
        response = self.request(front)
        self.assertEqual(502, response.status)
        self.assertNotIn("x-outrigger-retry", response.fields)


class SiblingsTest(Case):
    def test_one_of_two_drains_under_load_and_no_request_fails(self):
        application = self.origin()
        siblings = [self.proxy(application, listener={"direction": "inbound"}, shutdown={
            "delay": "2500ms", "drain_timeout": "10s", "outbound": "immediate"})
            for _ in range(2)]
        caller = self.proxy(*[each.address for each in siblings])
        over = threading.Event()
        self.addCleanup(over.set)
        failures = []
        counts = [0] * 8

        def call(index):
            client = self.client(caller)
            method = "POST" if index % 2 else "GET"
            while not over.is_set():
                response = client.request(method, "/", body=b"x" if index % 2 else None)
                counts[index] += 1
                if response.status != 200:
                    failures.append((method, response.status, response.fields))
        threads = [threading.Thread(target=call, args=(i,), daemon=True) for i in range(8)]
        for thread in threads:
            thread.start()
        self.eventually(lambda: min(counts) > 20, "traffic on every connection")
        siblings[0].signal(signal.SIGTERM)
        self.assertEqual(0, siblings[0].wait_exit())
        after = list(counts)
        self.eventually(lambda: all(now > then + 20 for now, then in zip(counts, after)),
                        "traffic after it has gone")
        over.set()
        for thread in threads:
            thread.join(10)
        self.assertEqual([], failures[:3])
        self.assertEqual(sum(counts), len(application.calls))

    def test_who_says_it_drains_is_left_alone_for_a_while(self):
        leaving = self.origin(answers(503, fields={
            "x-outrigger-retry": "elsewhere",
            "Proxy-Status": 'outrigger; error=proxy_internal_response; details="draining"'}))
        staying = self.origin()
        daemon = self.proxy(leaving, staying, upstream={"load_balancer": {"policy": "round_robin"}})
        for _ in range(10):
            self.assertEqual(200, self.request(daemon, "POST", body=b"a").status)
        self.assertEqual(1, len(leaving.calls))
        self.assertEqual(0, daemon.metric("outlier_ejections_total"))
        shown = {each["address"]: (each["state"], each["draining"])
                 for each in daemon.admin_json("/upstreams")["upstreams"][0]["endpoints"]}
        self.assertEqual({leaving.address: ("healthy", True), staying.address: ("healthy", False)},
                         shown)
        # It comes back by itself after five seconds.
        self.eventually(lambda: self.request(daemon).status == 200 and len(leaving.calls) > 1,
                        "traffic for it again")

    def test_a_lone_endpoint_that_drains_is_asked_on(self):
        origin = self.origin(answers(503, fields={
            "x-outrigger-retry": "elsewhere",
            "Proxy-Status": 'outrigger; error=proxy_internal_response; details="draining"'}))
        daemon = self.proxy(origin)
        for _ in range(3):
            self.assertEqual(503, self.request(daemon).status)
        self.assertEqual(3, len(origin.calls))
