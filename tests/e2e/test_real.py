"""What outrigger is for, shown on real programs: nginx as upstreams, wrk and curl as callers.

Order and counts are asserted; times only bound a wait. OUTRIGGER_E2E_LONG=1 takes the long load.
"""

import collections
import os
import re
import signal
import subprocess
import threading
import time
import unittest

from harness import (GUARD, LONG, SANITIZED, Case, Client, answers, curl,
                     hangs, in_turn, process, waits_for)

EJECTING = {"retry": {"retry_on": ["default", "per-try-timeout"]}, "timeouts": {"per_try": "300ms"}}


class OneOfThreeTest(Case):
    """Three nginx under load, and something happens to one of them."""

    def three(self, route=None, upstream=None):
        self.servers = [self.nginx(f"n{i}") for i in range(3)]
        return self.proxy(*self.servers, route=route, upstream=upstream)

    def load(self, daemon, seconds):
        """wrk, once it is well under way."""
        wrk = self.wrk(daemon.url(), seconds)
        daemon.wait_metric("requests_total", lambda count: count > 1000, code="200")
        return wrk

    def endpoints(self, daemon):
        """What /upstreams shows of each, by address."""
        upstream, = daemon.admin_json("/upstreams")["upstreams"]
        return {each["address"]: each for each in upstream["endpoints"]}

    def test_one_that_is_killed_is_not_noticed_by_callers(self):
        # How soon p2c_ewma, which spares what failed once, meets five failures in a row is chance.
        self.kill_one_of(self.three(), lambda daemon: daemon.wait_metric(
            "upstream_attempts_total", lambda count: count > 0, outcome="connect-failure"))

    def test_one_that_is_killed_is_taken_out(self):
        self.kill_one_of(self.three(upstream={"load_balancer": {"policy": "round_robin"}}),
                         lambda daemon: daemon.wait_metric("upstream_endpoints", 1,
                                                           state="ejected"))

    def kill_one_of(self, daemon, wait_for_it):
        wrk = self.load(daemon, 5)
        self.servers[0].kill()
        wait_for_it(daemon)
        self.servers[0].start()
        result = wrk.result()
        self.assertTrue(result.clean, result.text)
        page = daemon.metrics()
        self.assertEqual({"200"}, {labels["code"] for labels, count in page.find("requests_total")
                                   if count and labels["code"] != "499"})
        self.assertGreater(page.value("retries_total"), 0)
        self.assertTrue(all(len(server.seen()) > 100 for server in self.servers[1:]))

    def test_one_that_hangs_is_taken_out_and_comes_back(self):
        daemon = self.three(route=EJECTING, upstream={
            "outlier_detection": {"base_ejection_time": "2s"}})
        wrk = self.load(daemon, 10)
        hanging = self.servers[0]
        hanging.pause()
        try:
            daemon.wait_metric("upstream_endpoints", 1, state="ejected")
            self.assert_nothing_is_sent_while_ejected(daemon, hanging)
        finally:
            hanging.resume()
        daemon.wait_metric("upstream_endpoints", 3, state="healthy")
        before = self.endpoints(daemon)[hanging.address]["tries"]
        self.eventually(lambda: self.endpoints(daemon)[hanging.address]["tries"] > before + 100,
                        "traffic at the endpoint that came back", within=8)
        result = wrk.result()
        self.assertTrue(result.clean, result.text)
        self.assertEqual(0, daemon.metric("requests_total", code="504"))
        self.assertGreater(daemon.metric("retries_total", reason="per-try-timeout"), 0)
        self.assertGreater(daemon.metric("outlier_ejections_total"), 0)

    def assert_nothing_is_sent_while_ejected(self, daemon, server):
        """What was on its way at the ejection still ends; then the count stands still while
        the others' goes on, until the endpoint leaves the state."""
        counts, others = [], []
        while (page := self.endpoints(daemon))[server.address]["state"] == "ejected":
            counts.append(page[server.address]["tries"])
            others.append(sum(page[each.address]["tries"] for each in self.servers[1:]))
            time.sleep(0.05)
        self.assertGreater(len(counts), 3, "the ejection was too short to be looked at")
        settled = counts.index(counts[-1])
        self.assertLess(settled, len(counts) // 2, counts)
        self.assertGreater(others[-1] - others[settled], 100)
        # No more than every caller's one try that hung when the verdict fell.
        self.assertLessEqual(counts[-1] - counts[0], 64)

    def test_one_that_fails_is_taken_out(self):
        # In turn: the default policy sends a failing endpoint next to nothing by itself.
        daemon = self.three(route={"retry": {}}, upstream={
            "outlier_detection": {"base_ejection_time": "1m"},
            "load_balancer": {"policy": "round_robin"}})
        wrk = self.load(daemon, 3)
        self.servers[0].fail()
        daemon.wait_metric("upstream_endpoints", 1, state="ejected")
        result = wrk.result()
        self.assertTrue(result.clean, result.text)


class AllFailTest(Case):
    def test_retries_stay_within_their_budget(self):
        """Over any 10 s: tries ≤ 1.2 × first tries + 5, counted by the servers themselves."""
        servers = [self.nginx(f"n{i}") for i in range(3)]
        for server in servers:
            server.fail()
        daemon = self.proxy(*servers, route={"retry": {}})
        result = self.wrk(daemon.url(), 15 if LONG else 4, connections=8).result()
        self.assertEqual(result.requests, result.not_2xx)
        self.assertFalse(any(result.socket_errors.values()), result.text)
        self.eventually(lambda: daemon.metric("requests_in_flight") == 0)
        seen = sorted((each for server in servers for each in server.seen()),
                      key=lambda each: each.at)
        self.assertGreater(len(seen), 500)
        self.assertGreater(sum(each.attempt != "1" for each in seen), 100)
        self.assert_budget_holds(seen)
        self.assertGreater(daemon.metric("retries_denied_total", cause="budget"), 0)

    def assert_budget_holds(self, seen, window=10.0):
        """For every window that begins or ends at a try."""
        first, all_tries, start = 0, 0, 0
        for each in seen:
            all_tries += 1
            first += each.attempt == "1"
            while seen[start].at < each.at - window:
                all_tries -= 1
                first -= seen[start].attempt == "1"
                start += 1
            # A log has milliseconds and three writers: a few lines may stand out of order.
            self.assertLessEqual(all_tries, 1.2 * first + 5 + 8, f"at {each.at}")
        if seen[-1].at - seen[0].at <= window:
            self.assertLessEqual(all_tries, 1.2 * first + 5)

    def test_the_breaker_opens_refuses_at_once_and_closes_by_itself(self):
        servers = [self.nginx(f"n{i}") for i in range(3)]
        daemon = self.proxy(*servers, route={"retry": {}},
                            upstream={"circuit_breaker": {"open_for": "1s"}})
        for server in servers:
            server.fail()
        self.eventually(lambda: curl("-o", "/dev/null", daemon.url()) and
                        daemon.metric("circuit_breaker_state", name="u") == 2)
        status, out, _ = curl("-i", daemon.url())
        self.assertEqual(0, status)
        self.assertRegex(out, r"^HTTP/1\.1 503 ")
        self.assertRegex(out, r'(?i)\r?\nproxy-status: outrigger; error=destination_unavailable; '
                              r'details="circuit-open"')
        self.assertRegex(out, r"(?i)\nretry-after: [1-9]")
        before = sum(len(server.seen()) for server in servers)
        refused = daemon.metric("circuit_breaker_rejected_total")
        self.wrk(daemon.url(), 1, connections=8).result()
        self.assertGreater(daemon.metric("circuit_breaker_rejected_total"), refused + 100)
        # Half-open may have begun: a few probes at most.
        self.assertLessEqual(sum(len(server.seen()) for server in servers), before + 10)
        for server in servers:
            server.fail(False)
        self.eventually(lambda: curl("-sf", daemon.url())[0] == 0)
        self.eventually(lambda: curl("-sf", daemon.url()) and
                        daemon.metric("circuit_breaker_state", name="u") == 0)
        result = self.wrk(daemon.url(), 1, connections=8).result()
        self.assertTrue(result.clean, result.text)

    def test_the_budget_and_the_breaker_under_load(self):
        servers = [self.nginx(f"n{i}") for i in range(3)]
        daemon = self.proxy(*servers, route={"retry": {}},
                            upstream={"circuit_breaker": {"open_for": "1s"}})
        wrk = self.wrk(daemon.url(), 8, connections=16)
        daemon.wait_metric("requests_total", lambda count: count > 500, code="200")
        for server in servers:
            server.fail()
        daemon.wait_metric("circuit_breaker_state", 2, name="u")
        daemon.wait_metric("local_replies_total", lambda count: count > 100, reason="circuit-open")
        for server in servers:
            server.fail(False)
        daemon.wait_metric("circuit_breaker_state", 0, name="u")
        before = daemon.metric("requests_total", code="200")
        daemon.wait_metric("requests_total", lambda count: count > before + 100, code="200")
        result = wrk.result()
        self.assertFalse(any(result.socket_errors.values()), result.text)
        page = daemon.metrics()
        tries = page.value("upstream_attempts_total")
        first = page.value("upstream_attempts_total", **{"try": "first"})
        self.assertLessEqual(tries, 1.2 * first + 5)


class SlowUpstreamTest(Case):
    def test_a_504_at_the_timeout_cancels_the_try_and_harms_no_other_route(self):
        silent = self.origin(hangs)
        slow = self.nginx("slow",
                          server=f"location /slow {{ proxy_pass http://{silent.address}; }}")
        quick = self.nginx("quick")
        config = self.config(slow, route={"match": {"path_prefix": "/slow"},
                                          "timeouts": {"request": "500ms"}})
        config["listeners"][0]["routes"].append({"name": "quick", "upstream": "quick"})
        config["upstreams"]["quick"] = {"endpoints": [quick.address]}
        daemon = self.start(config)
        wrk = self.wrk(daemon.url("/quick"), 3, connections=8)
        for _ in range(3):
            status, out, _ = curl("-i", daemon.url("/slow"))
            self.assertEqual(0, status)
            self.assertRegex(out, r"^HTTP/1\.1 504 ")
            self.assertIn('error=http_response_timeout; details="timeout"', out)
        # nginx writes 499 where its caller has gone before the answer.
        self.eventually(lambda: [each.status for each in slow.seen()] == [499] * 3)
        silent.wait_open(0)
        result = wrk.result()
        self.assertTrue(result.clean, result.text)
        daemon.wait_metric("timeouts_total", 3, kind="request", route="r")
        self.assertEqual(0, daemon.metric("timeouts_total", route="quick"))


class PostTest(Case):
    """A POST reaches a server's application once, or not at all."""

    def behind_nginx(self, behave):
        """nginx before an origin that misbehaves; nginx itself retries nothing."""
        origin = self.origin(behave)
        return origin, self.nginx("front", server=f"""
            location /app {{
              proxy_pass http://{origin.address};
              proxy_next_upstream off;
              proxy_request_buffering off;
              proxy_http_version 1.1;
            }}""")

    def post(self, daemon, *more):
        status, out, err = curl("-o", "/dev/null", "-w", "%{http_code}", "-d", "amount=1", *more,
                                daemon.url("/app"))
        self.assertEqual(0, status, err)
        return int(out)

    def test_never_twice_after_it_may_have_been_processed(self):
        origin, server = self.behind_nginx(lambda call: answers(503)(call))
        daemon = self.proxy(server, server.address.replace("127.0.0.1", "localhost"),
                            route={"retry": {}})
        for _ in range(5):
            self.assertEqual(503, self.post(daemon))
        self.assertEqual(5, origin.count("POST"))
        self.assertEqual(5, sum(each.method == "POST" for each in server.seen()))

    def test_again_with_an_idempotency_key(self):
        origin, server = self.behind_nginx(in_turn(answers(503), answers()))
        daemon = self.proxy(server, route={"retry": {}})
        self.assertEqual(200, self.post(daemon, "-H", "Idempotency-Key: 1"))
        self.assertEqual([b"amount=1"] * 2, [call.body for call in origin.calls])

    def test_never_twice_when_the_server_is_killed_under_it(self):
        gate = self.gate()
        origin, server = self.behind_nginx(waits_for(gate))
        spare = self.nginx("spare")
        daemon = self.proxy(server, spare, route={"retry": {}},
                            upstream={"load_balancer": {"policy": "round_robin"}})
        statuses = []

        def post_all():
            for _ in range(2):
                statuses.append(self.post(daemon))
        thread = threading.Thread(target=post_all, daemon=True)
        thread.start()
        origin.wait_calls(1)
        server.kill()
        thread.join(GUARD)
        self.assertFalse(thread.is_alive())
        self.assertEqual([200, 502], sorted(statuses))
        self.assertEqual((1, 1), (origin.count("POST"), len(spare.seen())))

    def test_again_when_the_connect_failed(self):
        server, dead = self.nginx("alive"), self.nginx("dead")
        dead.kill()
        daemon = self.proxy(dead, server, upstream={"load_balancer": {"policy": "round_robin"},
                                                    "retry_budget": {"percent": 100}})
        for _ in range(6):
            self.assertEqual(200, self.post(daemon))
        self.assertEqual(6, sum(each.method == "POST" for each in server.seen()))
        self.assertGreater(daemon.metric("retries_total", reason="connect-failure"), 0)


class BulkheadTest(Case):
    """500 concurrent callers against max_requests: 50, with nginx before a counting origin."""

    def callers(self, limits):
        self.opened = self.gate()
        self.counting = self.origin(waits_for(self.opened))
        server = self.nginx("front", server=f"location /app {{ proxy_pass http://"
                                            f"{self.counting.address}; }}")
        daemon = self.proxy(server, upstream={"limits": {"max_requests": 50, **limits}})
        clients = [self.client(daemon) for _ in range(500)]
        for client in clients:
            client.send_request("GET", "/app")
        return daemon, clients

    def test_others_wait_where_they_may(self):
        daemon, clients = self.callers({"pending_timeout": "1m"})
        daemon.wait_metric("upstream_requests_pending", 450)
        self.counting.wait_calls(50)
        self.opened.set()
        self.assertEqual([200] * 500, [client.read_response().status for client in clients])
        self.assertEqual((50, 500), (self.counting.max_busy, len(self.counting.calls)))

    def test_others_are_refused_where_they_may_not(self):
        daemon, clients = self.callers({"max_pending": 0})
        daemon.wait_metric("requests_total", 450, code="503")
        self.opened.set()
        answers_seen = [client.read_response() for client in clients]
        counts = collections.Counter(response.status for response in answers_seen)
        self.assertEqual({200: 50, 503: 450}, dict(counts))
        for response in answers_seen:
            if response.status == 503:
                self.assert_local(response, 503, "overflow", "connection_limit_reached")
        self.assertLessEqual(self.counting.max_busy, 50)

    def test_wrk_never_gets_beyond(self):
        lock, now, most = threading.Lock(), 0, 0

        def behave(call):
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.01)
            with lock:  # before the answer, for its end lets the next request come
                now -= 1
            call.answer()
        origin = self.origin(behave)
        daemon = self.proxy(origin, upstream={"limits": {
            "max_requests": 10, "pending_timeout": "1m"}})
        wrk = self.wrk(daemon.url(), 300, connections=100)
        origin.wait_calls(1000)
        # What wrk leaves at its end is cancelled: others take those places before the origin knows.
        at_once = most
        result = wrk.end()
        self.assertTrue(result.clean, result.text)
        self.assertLessEqual(at_once, 10)
        self.assertGreater(at_once, 5)


class ShutdownTest(Case):
    def test_sigterm_under_load_completes_every_started_request(self):
        """Slow downloads that are under way end whole; then the program ends with 0."""
        server = self.nginx("n", server="location /slow/ { alias %s/n/root/; limit_rate 200k; }"
                            % self.directory)
        server.add_file("big", os.urandom(400_000))
        daemon = self.proxy(server, shutdown={"delay": "0s", "drain_timeout": "1m",
                                              "outbound": "immediate"})
        downloads = [process.start(["curl", "-sS", "-o", f"{self.directory}/d{i}", "-w",
                                    "%{http_code} %{size_download}", daemon.url("/slow/big")],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                     for i in range(10)]
        for download in downloads:
            self.addCleanup(process.kill, download)
        daemon.wait_metric("requests_in_flight", 10)
        daemon.wait_metric("upstream_bytes_total", lambda count: count > 10_000, direction="in")
        daemon.signal(signal.SIGTERM)

        def refused():
            try:
                client = Client(daemon.address)
            except ConnectionRefusedError:
                return True
            try:
                return client.get().status == 503
            except Exception:
                return False  # it closed in between
            finally:
                client.close()
        self.eventually(refused, "new connections refused")
        self.assertTrue(daemon.running())
        self.assertEqual(["200 400000"] * 10, [download.communicate(timeout=GUARD)[0]
                                               for download in downloads])
        self.assertEqual(0, daemon.wait_exit())

    def test_sigterm_under_wrk_ends_with_0(self):
        daemon = self.proxy(self.nginx("n"), listener={"direction": "inbound"},
                            shutdown={"delay": "500ms", "drain_timeout": "1m"})
        wrk = self.wrk(daemon.url(), 30)
        daemon.wait_metric("requests_total", lambda count: count > 1000, code="200")
        self.assertEqual(0, daemon.terminate())
        wrk.stop()


class LoadTest(Case):
    SECONDS = 30 if LONG else 5
    WARM = 10 if LONG else 2

    def test_sustained_load_without_error_in_steady_memory(self):
        daemon = self.proxy(self.nginx("n"))
        wrk = self.wrk(daemon.url(), self.SECONDS)
        began = time.monotonic()
        time.sleep(self.WARM)
        warm = daemon.resident_kib()
        time.sleep(max(0.0, began + self.SECONDS - 0.5 - time.monotonic()))
        late = daemon.resident_kib()
        result = wrk.result()
        print(f"wrk {self.SECONDS} s, 64 connections: {result.requests_per_second:.0f} requests/s; "
              f"resident {warm} KiB at {self.WARM} s, {late} KiB at the end")
        self.assertTrue(result.clean, result.text)
        if not SANITIZED:
            self.assertLess(abs(late - warm), 1024, "KiB between warm-up and end")
        daemon.wait_metric("requests_total", lambda count: count >= result.requests, code="200")
        self.assertEqual(0, daemon.metric("retries_total"))

    def test_two_reads_and_two_writes_a_request(self):
        """Counted by strace on the sockets alone: the loops' own wake-ups are no request's."""
        if SANITIZED:
            self.skipTest("sanitizers make system calls of their own")
        daemon = self.proxy(self.nginx("n"))
        connections, each = 8, 250
        clients = [self.client(daemon) for _ in range(connections)]

        def ask(count):
            for _ in range(count):
                for client in clients:
                    client.send_request("GET", "/")
                for client in clients:
                    self.assertEqual(200, client.read_response().status)
        ask(50)
        calls = self.traced(daemon, lambda: ask(each))
        requests = connections * each
        reads = sum(calls[name] for name in ("read", "readv", "recvfrom", "recvmsg"))
        writes = sum(calls[name] for name in ("write", "writev", "sendto", "sendmsg"))
        print(f"strace over {requests} requests: {dict(calls)}")
        self.assertGreaterEqual(reads, requests, "strace saw too little")
        self.assertLessEqual(reads, 2 * requests)
        self.assertLessEqual(writes, 2 * requests)
        self.assertEqual(0, calls["epoll_ctl"])
        self.assertEqual(0, calls["connect"] + calls["accept4"] + calls["close"])

    def traced(self, daemon, work):
        """How often each call was made on a socket (and epoll_ctl on anything) during work()."""
        log = os.path.join(self.directory, "strace")
        with open(log + ".err", "wb") as err:
            strace = process.start(
                ["strace", "-f", "-y", "-e", "signal=none", "-s", "0", "-e",
                 "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,epoll_ctl,connect,"
                 "accept4,close", "-o", log, "-p", daemon.pid], stdout=err, stderr=err)
        self.addCleanup(process.kill, strace)

        def attached():
            if strace.poll() is not None:
                with open(log + ".err", encoding="utf-8") as err:
                    said = err.read()
                if "not permitted" in said:
                    self.skipTest(f"strace may not attach here: {said.strip()}")
                self.fail(said)
            return all(process.status_field(thread, "TracerPid") == str(strace.pid)
                       for thread in process.threads(daemon.pid))
        self.eventually(attached, "strace attached")
        work()
        os.kill(strace.pid, signal.SIGINT)
        strace.wait(GUARD)
        calls = collections.Counter()
        with open(log, encoding="utf-8", errors="replace") as file:
            for line in file:
                match = re.match(r"\d+ +(\w+)\(\d+<(\w+)", line)
                if match and (match[2] in ("socket", "TCP", "UNIX") or match[1] == "epoll_ctl"):
                    calls[match[1]] += 1
        return calls


if __name__ == "__main__":
    unittest.main()
