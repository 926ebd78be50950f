"""Several workers: each serves its own connections, and what is limited is limited for all.

Callers connect anew for each request or hold many connections, so that the kernel spreads them.
"""

import collections
import math
import re
import unittest

from harness import SANITIZED, Case, answers, by_target, process, waits_for

WORKERS = 4
PATIENT = {"max_loop_lag": "10s"}  # on a crowded machine nothing is shed


class WorkersCase(Case):
    def workers(self, *origins, **options):
        return self.proxy(*origins, workers=WORKERS, **options)


class ExactTest(WorkersCase):
    """A limit of 10 is 10, not 10 for each worker."""

    def test_200_callers_and_10_requests_at_the_upstream(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.workers(origin, upstream={"limits": {
            "max_requests": 10, "pending_timeout": "1m"}})
        clients = [self.client(daemon) for _ in range(200)]
        for client in clients:
            client.send_request("GET", "/")
        daemon.wait_metric("upstream_requests_pending", 190)
        origin.wait_calls(10)
        gate.set()
        self.assertEqual([200] * 200, [client.read_response().status for client in clients])
        self.assertEqual((10, 200), (origin.max_busy, len(origin.calls)))
        daemon.wait_metric("upstream_requests_in_flight", 0)

    def test_no_place_is_lost_by_callers_who_leave(self):
        daemon = self.workers(self.origin(), upstream={"limits": {
            "max_requests": 3, "pending_timeout": "1m"}})

        def call(number):
            for turn in range(20):
                client = self.client(daemon)
                client.send_request("GET", "/")
                if (number + turn) % 3:
                    self.assertEqual(200, client.read_response().status)
                client.close()
        self.many(30, call)
        daemon.wait_metric("upstream_requests_in_flight", 0)
        daemon.wait_metric("upstream_requests_pending", 0)
        self.assertEqual([200] * 5, [self.request(daemon).status for _ in range(5)])

    def test_connections_idle_on_another_worker_make_room(self):
        origin = self.origin()
        daemon = self.workers(origin, upstream={"limits": {"max_connections": 2,
                                                           "max_pending": 0}})
        for _ in range(40):
            self.assertEqual(200, self.request(daemon).status)
            self.eventually(lambda: origin.open <= 2)
        self.assertGreater(origin.connections, 2, "all of it was one worker's")

    def test_many_callers_and_few_connections(self):
        origin = self.origin()
        daemon = self.workers(origin, upstream={"limits": {"max_connections": 5,
                                                           "pending_timeout": "1m"}})
        clients = [self.client(daemon) for _ in range(50)]
        for _ in range(5):
            for client in clients:
                client.send_request("GET", "/")
            self.assertEqual([200] * 50, [client.read_response().status for client in clients])
            self.eventually(lambda: origin.open <= 5)
        self.assertLessEqual(origin.max_busy, 5)

    def test_a_caller_gives_up_while_its_try_waits_for_a_connection(self):
        gate = self.gate()
        origin = self.origin(by_target(slow=waits_for(gate)))
        daemon = self.workers(origin, upstream={"limits": {"max_connections": 1,
                                                           "pending_timeout": "1m"}})
        holder = self.client(daemon)
        holder.send_request("GET", "/slow")
        origin.wait_calls(1)
        leaving = [self.client(daemon) for _ in range(20)]
        for client in leaving:
            client.send_request("GET", "/")
        daemon.wait_metric("upstream_requests_pending", 20)
        for client in leaving:
            client.close()
        gate.set()
        self.assertEqual(200, holder.read_response().status)
        daemon.wait_metric("upstream_requests_pending", 0)
        self.assertEqual(200, self.request(daemon).status)
        self.eventually(lambda: origin.open <= 1)

    def test_the_breaker_opens_after_as_many_failures_as_it_says(self):
        origin = self.origin(answers(500))
        daemon = self.workers(origin, upstream={
            "circuit_breaker": {"consecutive_failures": 5, "open_for": "60s"}})
        statuses = [self.request(daemon).status for _ in range(30)]
        self.assertEqual([500] * 5 + [503] * 25, statuses)
        self.assertEqual(5, len(origin.calls))

    def test_the_retry_budget_is_one(self):
        origin = self.origin(answers(503))
        daemon = self.workers(origin, route={"retry": {"max_retries": 1}},
                              upstream={"retry_budget": {"percent": 20, "min_per_second": 0,
                                                         "window": "60s"}})
        for _ in range(50):
            self.request(daemon)
        retries = len(origin.calls) - 50
        self.assertTrue(8 <= retries <= 10, retries)

    def test_the_rate_limit_is_one(self):
        daemon = self.workers(self.origin(), route={
            "rate_limit": {"requests": 7, "per": "1h", "burst": 7}})
        statuses = [self.request(daemon).status for _ in range(30)]
        self.assertEqual([200] * 7 + [429] * 23, statuses)

    def test_connections_of_a_listener_are_counted_over_all(self):
        daemon = self.workers(self.origin(), listener={"limits": {"max_connections": 10}})
        kept = [self.client(daemon) for _ in range(10)]
        self.assertEqual([200] * 10, [client.get().status for client in kept])
        for _ in range(10):
            self.assert_local(self.client(daemon).read_response(), 503, "overflow")
        daemon.wait_metric("overflow_total", 10, limit="max_connections", upstream="")
        daemon.wait_metric("downstream_connections", 10)
        kept.pop().close()
        self.eventually(lambda: self.request(daemon).status == 200)


class ServingTest(WorkersCase):
    @unittest.skipIf(SANITIZED, "strace and the sanitizers' threads")
    def test_connections_are_spread_by_the_kernel(self):
        log = f"{self.directory}/strace"
        daemon = self.start(self.config(self.origin(), workers=WORKERS), under=(
            "strace", "-D", "-f", "--quiet=all", "-e", "trace=accept4", "-e", "status=successful",
            "-e", "signal=none", "-o", log))
        clients = [self.client(daemon) for _ in range(1000)]
        daemon.wait_metric("downstream_connections", 1000)
        port = daemon.address.rsplit(":", 1)[1]
        with open(log, encoding="utf-8") as file:
            threads = collections.Counter(line.split()[0] for line in file if "accept4(" in line)
        # The admin server's connections are the control thread's: few, and not of four workers.
        most = [count for _, count in threads.most_common(WORKERS)]
        self.assertGreaterEqual(sum(most), 1000, port)
        sigma = math.sqrt(1000 * 1 / WORKERS * (1 - 1 / WORKERS))
        for count in most:
            self.assertLess(abs(count - 1000 / WORKERS), 4 * sigma, most)
        del clients

    def test_a_second_daemon_on_the_address_is_refused(self):
        first = self.workers(self.origin())
        second = self.start(self.config(self.origin(), listener={"address": first.address},
                                        workers=WORKERS), wait_ready=False)
        self.assertEqual(1, second.wait_exit())
        self.assertIn("a second outrigger", second.log())
        self.assertEqual([200] * 10, [self.request(first).status for _ in range(10)])

    def test_a_unix_socket_is_shared(self):
        path = f"{self.directory}/socket"
        daemon = self.workers(self.origin(), listener={"address": f"unix:{path}"})
        clients = [self.client(f"unix:{path}") for _ in range(40)]
        self.assertEqual([200] * 40, [client.get().status for client in clients])
        self.assertEqual(1, len(daemon.addresses))

    def test_counters_are_summed(self):
        server = self.nginx()
        daemon = self.workers(server, overload=PATIENT)
        result = self.wrk(daemon.url("/"), seconds=2, connections=50).result()
        self.assertTrue(result.clean, result.text)
        daemon.wait_metric("downstream_connections", 0)
        seen = daemon.metrics()
        total = seen.value("requests_total", route="r")
        self.assertTrue(0 <= total - result.requests <= 50)  # answers that wrk did not wait for
        self.assertEqual(total, seen.value("request_duration_seconds_count", route="r"))
        self.assertEqual(total, seen.value("upstream_attempts_total", upstream="u"))

    def test_reloads_and_ejections_under_load_lose_nothing(self):
        servers = [self.nginx(f"n{i}") for i in range(3)]
        dead = "127.0.0.1:1"

        def config(turn):
            endpoints = [*servers] + ([dead] if turn % 2 else [])
            return self.config(*endpoints, workers=WORKERS, overload=PATIENT, route={
                "retry": {}}, upstream={
                # A thousand reloads a second bring the dead one back before it is ejected.
                "circuit_breaker": {"consecutive_failures": "off"},
                "outlier_detection": {"base_ejection_time": "1s"},
                "limits": {"max_requests": 20 + turn}})
        daemon = self.start(config(0))
        wrk = self.wrk(daemon.url("/"), seconds=4, connections=40)
        turn = 0
        while wrk.running():
            turn += 1
            daemon.write_config(config(turn))
            self.assertEqual(200, daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"}).status)
        result = wrk.result()
        self.assertTrue(result.clean, result.text)
        self.assertGreater(turn, 5)
        daemon.wait_metric("upstream_requests_in_flight", 0)

    def test_drain_waits_for_requests_on_every_worker(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        config = self.config(origin, workers=WORKERS, listener={"direction": "inbound"})
        config["shutdown"] = {"delay": "0s", "drain_timeout": "1m"}
        daemon = self.start(config)
        clients = [self.client(daemon) for _ in range(20)]
        for client in clients:
            client.send_request("GET", "/")
        origin.wait_calls(20)
        daemon.signal(15)
        self.eventually(lambda: "draining" in daemon.log())
        gate.set()
        responses = [client.read_response() for client in clients]
        self.assertEqual([200] * 20, [response.status for response in responses])
        self.assertEqual(0, daemon.wait_exit())


class NumberTest(Case):
    def threads(self, daemon):
        return int(process.status_field(daemon.pid, "Threads"))

    def test_auto_is_what_the_machine_grants(self):
        one = self.threads(self.proxy(self.origin(), workers=1))
        pinned = self.start(self.config(self.origin(), workers="auto"),
                            under=("taskset", "-c", "0"))
        self.assertEqual(one, self.threads(pinned))
        self.assertIn("workers: 1", pinned.log())
        auto = self.proxy(self.origin(), workers="auto")
        count = int(re.search(r"workers: (\d+)", auto.log())[1])
        self.assertEqual(one + count - 1, self.threads(auto))
        self.assertIn(f'"workers": {count}', auto.admin("GET", "/config").text)
        self.assertEqual(200, self.request(auto).status)

    def test_a_change_takes_a_restart(self):
        origin = self.origin()
        daemon = self.proxy(origin, workers=2)
        daemon.write_config(self.config(origin, workers=3))
        answer = daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"})
        self.assertEqual(422, answer.status)
        self.assertIn("workers: a change from 2 to 3 takes a restart", answer.text)
        self.assertEqual(200, self.request(daemon).status)


if __name__ == "__main__":
    unittest.main()
