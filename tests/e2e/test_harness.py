"""The harness itself, without the program: what it says of upstreams and callers must be true."""

import os
import signal
import socket
import threading

from harness import (Case, Client, Incomplete, Metrics, Silent, Wrk, answers, by_target, closes,
                     curl, free_port, hangs, in_turn, request_bytes, resets, sends, waits_for)
from harness import process


class OriginTest(Case):
    needs_binary = False

    def test_keeps_connections_and_counts_requests(self):
        origin = self.origin()
        client = self.client(origin.address)
        for _ in range(3):
            self.assertEqual(b"ok", client.get("/a").body)
        self.assertEqual(200, client.request("POST", "/b", body=b"xyz").status)
        self.assertEqual((1, 3, 1), (origin.connections, origin.count(target="/a"),
                                     origin.count("POST")))
        self.assertEqual(b"xyz", origin.calls[3].body)
        client.close()
        origin.wait_open(0)

    def test_reads_chunked_bodies_and_trailers(self):
        origin = self.origin()
        client = self.client(origin.address)
        client.send("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nCheck: 1\r\n\r\n")
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(b"abcde", origin.calls[0].body)
        self.assertEqual("1", origin.calls[0].trailers.get("check"))

    def test_sends_chunks_trailers_and_interim_responses(self):
        def behave(call):
            call.head(103, {"Link": "</x>"})
            call.answer_chunked([b"ab", b"c"], trailers=[("T", "1")])
        response = self.client(self.origin(behave).address).get()
        self.assertEqual(b"abc", response.body)
        self.assertEqual("1", response.trailers.get("T"))
        self.assertEqual([103], [each.status for each in response.interim])

    def test_resets_and_closes_are_told_apart(self):
        half = sends(b"HTTP/1.1 200 K\r\nContent-Length: 5\r\n\r\nab")
        origin = self.origin(by_target(reset=resets, close=closes, half=half))
        for target, was_reset in (("/reset", True), ("/close", False), ("/half", False)):
            with self.assertRaises(Incomplete) as caught:
                self.client(origin.address).get(target)
            self.assertEqual(was_reset, caught.exception.was_reset, target)
        self.assertTrue(caught.exception.received.endswith(b"ab"))

    def test_waits_for_its_gate_and_counts_who_is_there(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        clients = [self.client(origin.address) for _ in range(5)]
        for client in clients:
            client.send_request("GET", "/")
        origin.wait_calls(5)
        self.assertEqual((5, 5), (origin.busy, origin.max_busy))
        gate.set()
        self.assertEqual([200] * 5, [client.read_response().status for client in clients])
        origin.wait_idle()
        self.assertEqual(5, origin.max_open)

    def test_answers_in_turn_and_sees_a_caller_go(self):
        origin = self.origin(in_turn(answers(503, b"no"), answers(), hangs))
        client = self.client(origin.address)
        self.assertEqual([503, 200, 200][:2], [client.get().status for _ in range(2)])
        client.send_request("GET", "/")
        origin.wait_calls(3)
        self.assertEqual(1, origin.busy)
        client.close()
        origin.wait_idle()

    def test_refuses_when_told_and_serves_again(self):
        origin = self.origin()
        origin.refuse()
        with self.assertRaises(ConnectionRefusedError):
            Client(origin.address)
        origin.start()
        self.assertEqual(200, self.client(origin.address).get().status)

    def test_listens_on_a_unix_socket(self):
        origin = self.origin(unix_path=os.path.join(self.directory, "s"))
        self.assertEqual(200, self.client(origin.address).get().status)

    def test_a_stopped_origin_frees_its_waiting_behaviours(self):
        origin = self.origin(waits_for(threading.Event()))
        self.client(origin.address).send_request("GET", "/")
        origin.wait_calls(1)
        origin.stop()
        origin.wait_idle()


class PartsTest(Case):
    needs_binary = False

    def test_free_ports_are_not_given_twice(self):
        ports = [free_port() for _ in range(50)]
        self.assertEqual(50, len(set(ports)))
        with self.assertRaises(ConnectionRefusedError):
            Client(f"127.0.0.1:{ports[0]}")

    def test_connecting_to_the_silent_address_never_ends(self):
        silent = Silent()
        self.addCleanup(silent.stop)
        with self.assertRaises(TimeoutError):
            socket.create_connection(("127.0.0.1", silent.port), 0.5)

    def test_metrics_are_read_with_their_labels(self):
        page = Metrics('# HELP outrigger_a_total x\n# TYPE outrigger_a_total counter\n'
                       'outrigger_a_total{r="x",c="200"} 3\noutrigger_a_total{r="y",c="200"} 4\n'
                       'outrigger_g 1.5e3\noutrigger_e{v="a\\"b,c"} 1\n')
        self.assertEqual(7, page.value("a_total", c="200"))
        self.assertEqual(4, page.value("a_total", r="y"))
        self.assertEqual(0, page.value("a_total", r="z"))
        self.assertEqual(1500, page.value("g"))
        self.assertTrue(page.has("e", v='a\\"b,c'))
        with self.assertRaises(ValueError):
            Metrics("no sample")

    def test_requests_get_what_they_lack(self):
        self.assertEqual(b"POST /x HTTP/1.1\r\nHost: test.local\r\nA: b\r\n"
                         b"Content-Length: 2\r\n\r\nhi",
                         request_bytes("POST", "/x", {"A": "b"}, b"hi"))

    def test_children_are_ended_with_their_group(self):
        child = process.start(["sh", "-c", "sleep 1000 & sleep 1000"])
        process.kill(child)
        self.assertEqual(-signal.SIGKILL, child.returncode)


class RealProgramsTest(Case):
    needs_binary = False

    def test_nginx_answers_fails_on_command_and_logs(self):
        nginx = self.nginx("one")
        client = self.client(nginx.address)
        self.assertEqual(b"one\n", client.request("GET", "/x", {"x-outrigger-attempt": "2"}).body)
        nginx.fail()
        self.assertEqual(503, client.get("/y").status)
        nginx.fail(False)
        self.assertEqual(200, client.request("POST", "/z", body=b"q" * 100000).status)
        nginx.add_file("f", b"data")
        self.assertEqual(b"data", client.get("/file/f").body)
        self.eventually(lambda: len(nginx.seen()) == 4)
        self.assertEqual([("GET", "/x", 200, "2"), ("GET", "/y", 503, ""), ("POST", "/z", 200, ""),
                          ("GET", "/file/f", 200, "")],
                         [(each.method, each.uri, each.status, each.attempt)
                          for each in nginx.seen()])

    def test_nginx_can_be_paused_resumed_killed_and_started_again(self):
        nginx = self.nginx("one")
        client = self.client(nginx.address)
        nginx.pause()
        client.send_request("GET", "/")
        self.assertTrue(client.is_open())
        nginx.resume()
        self.assertEqual(200, client.read_response().status)
        nginx.kill()
        with self.assertRaises(ConnectionRefusedError):
            Client(nginx.address)
        nginx.start()
        self.assertEqual(200, self.client(nginx.address).get().status)

    def test_curl_and_wrk_reach_nginx(self):
        nginx = self.nginx("one")
        status, out, _ = curl(f"http://{nginx.address}/")
        self.assertEqual((0, "one\n"), (status, out))
        result = self.wrk(f"http://{nginx.address}/", 1, connections=4).result()
        self.assertTrue(result.clean, result.text)
        nginx.fail()
        result = self.wrk(f"http://{nginx.address}/", 1, connections=4).result()
        self.assertEqual(result.requests, result.not_2xx)
        self.assertFalse(result.clean)

    def test_wrk_counts_socket_errors(self):
        result = Wrk.parse("  10 requests in 1.00s, 1KB read\n"
                           "  Socket errors: connect 1, read 2, write 3, timeout 4\n"
                           "Requests/sec:  10.5\n")
        self.assertEqual({"connect": 1, "read": 2, "write": 3, "timeout": 4}, result.socket_errors)
        self.assertEqual((10, 10.5, False),
                         (result.requests, result.requests_per_second, result.clean))
