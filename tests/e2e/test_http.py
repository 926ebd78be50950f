"""HTTP/1.1 on both sides: framing, connections, headers, and what is refused."""

import json
import threading
import time
import unittest
import zlib

from harness import (GUARD, LONG, SANITIZED, Case, Incomplete, answers, by_target,
                     chunk, hangs, in_turn, request_bytes, sends, waits_for)

MIB = 1024 * 1024
NO_RETRY = {"retry": "off"}
NO_EJECTION = {"outlier_detection": "off"}


class ConnectionsTest(Case):
    def test_many_requests_share_one_upstream_connection(self):
        origin = self.origin()
        client = self.client(self.proxy(origin))
        for i in range(50):
            self.assertEqual(b"ok", client.get(f"/{i}").body)
        self.assertEqual((1, 50), (origin.connections, len(origin.calls)))

    def test_callers_share_the_pool(self):
        origin = self.origin()
        daemon = self.proxy(origin)
        for _ in range(10):
            self.request(daemon)
        self.assertEqual(1, origin.connections)

    def test_the_last_used_connection_is_used_first(self):
        gate = self.gate()
        origin = self.origin(by_target(slow=waits_for(gate)))
        daemon = self.proxy(origin)
        slow = self.client(daemon)
        slow.send_request("GET", "/slow")
        origin.wait_calls(1)
        self.request(daemon, target="/a")     # the second connection
        gate.set()
        slow.read_response()                  # the first one comes back last
        self.request(daemon, target="/b")
        self.assertEqual([0, 1, 0], [call.connection for call in origin.calls])

    def test_pipelined_requests_are_answered_in_order(self):
        gate = self.gate()

        def behave(call):
            if call.target == "/0":
                call.wait(gate)
            call.answer(body=call.target + call.body.decode())
        origin = self.origin(behave)
        client = self.client(self.proxy(origin))
        client.send(b"".join([request_bytes("GET", "/0"), request_bytes("POST", "/1", body=b"+one"),
                              request_bytes("GET", "/2"), request_bytes("HEAD", "/3"),
                              request_bytes("GET", "/4")]))
        origin.wait_calls(1)
        gate.set()
        bodies = [client.read_response("HEAD" if i == 3 else "GET").body for i in range(5)]
        self.assertEqual([b"/0", b"/1+one", b"/2", b"", b"/4"], bodies)

    def test_a_long_pipeline_comes_through(self):
        daemon = self.proxy(self.origin(lambda call: call.answer(body=call.target)))
        client = self.client(daemon)
        count = 2000
        sender = threading.Thread(target=client.send, daemon=True, args=(
            b"".join(request_bytes("GET", f"/{i}") for i in range(count)),))
        sender.start()
        for i in range(count):
            self.assertEqual(f"/{i}", client.read_response().text)
        sender.join(GUARD)

    def test_the_caller_may_close_and_the_upstream_connection_stays(self):
        origin = self.origin()
        daemon = self.proxy(origin)
        client = self.client(daemon)
        response = client.get("/", {"Connection": "close"})
        self.assertIn("close", response.fields.tokens("Connection"))
        self.assertEqual(b"", client.read_to_end())
        self.request(daemon)
        self.assertEqual(1, origin.connections)
        self.assertNotIn("close", origin.calls[0].fields.tokens("Connection"))

    def test_the_upstream_may_close_and_the_callers_connection_stays(self):
        def behave(call):
            call.answer(fields={"Connection": "close"})
            call.close()
        origin = self.origin(behave)
        client = self.client(self.proxy(origin))
        for _ in range(3):
            response = client.get()
            self.assertEqual(b"ok", response.body)
            self.assertNotIn("close", response.fields.tokens("Connection"))
        self.assertEqual(3, origin.connections)

    def test_a_caller_that_goes_away_cancels_the_try(self):
        for name, leave in (("closes", lambda client: client.close()),
                            ("resets", lambda client: client.reset()),
                            ("sends EOF", lambda client: client.half_close())):
            with self.subTest(name):
                origin = self.origin(hangs)
                daemon = self.proxy(origin)
                client = self.client(daemon)
                client.send_request("GET", "/")
                origin.wait_calls(1)
                leave(client)
                origin.wait_open(0)
                daemon.wait_metric("requests_total", 1, code="499")
                daemon.wait_metric("requests_in_flight", 0)
                self.assertEqual(1, len(origin.calls))

    def test_a_caller_that_goes_away_mid_response_cancels_the_try(self):
        def behave(call):
            call.head(200, {"Content-Length": "1000000000"})
            try:
                while True:
                    call.send(b"x" * 65536)
            finally:
                call.over = True
        origin = self.origin(behave)
        daemon = self.proxy(origin)
        client = self.client(daemon)
        client.send_request("GET", "/")
        client.read_until(b"xxx")
        client.reset()
        origin.wait_open(0)
        daemon.wait_metric("responses_aborted_total", 1, side="downstream")

    def test_unix_sockets_on_both_sides(self):
        origin = self.origin(unix_path=f"{self.directory}/origin")
        daemon = self.proxy(origin, listener={"address": f"unix:{self.directory}/listener"})
        self.assertEqual(b"ok", self.request(daemon).body)


class FramingTest(Case):
    def test_bodies_go_both_ways_with_a_length_and_in_chunks(self):
        def behave(call):
            body = call.body
            if "chunked" in call.target:
                call.answer_chunked([body[i:i + 1000] for i in range(0, len(body), 1000)])
            else:
                call.answer(body=body)
        origin = self.origin(behave)
        client = self.client(self.proxy(origin))
        for size in (0, 1, 999, 70_000, 300_000):
            body = bytes(i % 251 for i in range(size))
            for target in ("/length", "/chunked"):
                response = client.request("POST", target, body=body)
                self.assertEqual(body, response.body, f"{size} {target}")
                client.send_request("POST", target, {"Transfer-Encoding": "chunked"})
                for start in range(0, size, 50_000):
                    client.send(chunk(body[start:start + 50_000]))
                client.send("0\r\n\r\n")
                self.assertEqual(body, client.read_response().body, f"{size} chunked {target}")
        self.assertEqual(1, origin.connections)

    def test_a_length_stays_a_length(self):
        origin = self.origin()
        client = self.client(self.proxy(origin))
        response = client.request("POST", "/", body=b"abc")
        self.assertEqual("2", response.fields.get("Content-Length"))
        self.assertEqual("3", origin.calls[0].fields.get("Content-Length"))
        self.assertNotIn("Transfer-Encoding", origin.calls[0].fields)

    def test_a_post_without_a_body_says_so_upstream(self):
        origin = self.origin()
        daemon = self.proxy(origin)
        self.request(daemon, "POST", fields={"Content-Length": "0"})
        self.assertEqual("0", origin.calls[0].fields.get("Content-Length"))

    def test_trailers_go_both_ways(self):
        def behave(call):
            call.answer_chunked([b"ab"], [("Trailer", "X-Sum")], trailers=[("X-Sum", "7")])
        origin = self.origin(behave)
        client = self.client(self.proxy(origin))
        client.send_request("POST", "/", [("TE", "trailers"), ("Trailer", "X-Check"),
                                          ("Transfer-Encoding", "chunked")])
        client.send(chunk(b"body") + b"0\r\nX-Check: 9\r\n\r\n")
        response = client.read_response()
        self.assertEqual((b"ab", "7"), (response.body, response.trailers.get("X-Sum")))
        origin.wait_idle()
        self.assertEqual("9", origin.calls[0].trailers.get("X-Check"))

    def test_trailers_carry_neither_framing_nor_credentials(self):
        origin = self.origin()
        client = self.client(self.proxy(origin))
        client.send_request("POST", "/", [("TE", "trailers"), ("Transfer-Encoding", "chunked")])
        client.send(chunk(b"b") +
                    b"0\r\nContent-Length: 5\r\nHost: evil\r\nAuthorization: x\r\n\r\n")
        status = client.read_response().status
        self.assertIn(status, (200, 400))
        for call in origin.calls if status == 200 else []:
            self.assertEqual([], list(call.trailers))

    def test_head_has_a_length_and_no_body(self):
        origin = self.origin(lambda call: call.answer(body=b"hello"))
        client = self.client(self.proxy(origin))
        for _ in range(2):
            response = client.request("HEAD", "/")
            self.assertEqual((200, "5"), (response.status, response.fields.get("Content-Length")))
        self.assertEqual(b"hello", client.get().body)
        self.assertEqual(1, origin.connections)

    def test_204_and_304_have_no_body(self):
        def behave(call):
            status = int(call.target[1:])
            fields = {"Content-Length": "5", "ETag": '"x"'} if status == 304 else {}
            call.answer(status, fields=fields)
        origin = self.origin(behave)
        client = self.client(self.proxy(origin))
        for status in (204, 304, 204):
            self.assertEqual((status, b""), (client.get(f"/{status}").status, client.buffer))
        self.assertEqual(1, origin.connections)

    def test_interim_responses_are_passed_on(self):
        def behave(call):
            call.head(103, {"Link": "</a.css>; rel=preload"}, "Early Hints")
            call.head(103, {"Link": "</b.css>; rel=preload"}, "Early Hints")
            call.answer()
        client = self.client(self.proxy(self.origin(behave)))
        for _ in range(2):
            response = client.get()
            self.assertEqual(["</a.css>; rel=preload", "</b.css>; rel=preload"],
                             [each.fields.get("Link") for each in response.interim])
            self.assertEqual(b"ok", response.body)

    def test_interim_responses_are_not_sent_to_http_1_0(self):
        def behave(call):
            call.head(103, {"Link": "</a>"})
            call.answer()
        daemon = self.proxy(self.origin(behave))
        response = self.request(daemon, version="HTTP/1.0")
        self.assertEqual(([], b"ok"), (response.interim, response.body))

    def test_expect_100_continue_waits_for_the_upstreams_word(self):
        gate = self.gate()

        def behave(call):
            call.wait(gate)
            call.head(100, reason="Continue")
            call.answer(body=call.body)
        origin = self.origin(behave)
        client = self.client(self.proxy(origin))
        client.send_request("POST", "/", {"Expect": "100-continue", "Content-Length": "4"})
        origin.wait_calls(1)
        self.assertEqual("100-continue", origin.calls[0].fields.get("Expect"))
        self.assertTrue(client.is_open())
        gate.set()
        self.assertEqual(100, client.read_response_head().status)
        client.send("body")
        response = client.read_response()
        self.assertEqual(([], b"body"), (response.interim, response.body))
        self.assertEqual(200, client.get().status)

    def test_expect_100_continue_may_be_answered_at_once(self):
        origin = self.origin(lambda call: call.answer(401, b"who?", read_body=False))
        client = self.client(self.proxy(origin))
        client.send_request("POST", "/", {"Expect": "100-continue", "Content-Length": "4"})
        self.assertEqual(401, client.read_response().status)

    def test_an_upstream_may_answer_before_the_request_has_ended(self):
        def behave(call):
            call.answer(413, b"too much", read_body=False)
            call.wait_gone()
        origin = self.origin(behave)
        client = self.client(self.proxy(origin))
        client.send_request("POST", "/", {"Content-Length": str(100 * MIB)})
        client.send(b"x" * 1000)
        response = client.read_response()
        self.assertEqual((413, b"too much"), (response.status, response.body))
        client.close()
        origin.wait_open(0)

    def test_an_early_answer_does_not_mix_with_the_next_request(self):
        def behave(call):
            call.answer(body=call.target, read_body=False)
            call.body
        client = self.client(self.proxy(self.origin(behave)))
        client.send_request("POST", "/first", {"Content-Length": "10"})
        client.send(b"GET /")
        self.assertEqual("/first", client.read_response().text)
        try:
            client.send(b"evil ")
            self.assertEqual("/second", client.get("/second").text)
        except (Incomplete, ConnectionError):
            pass  # the connection may end after an early answer, but never confuse

    def test_http_1_0_callers_get_no_chunks(self):
        origin = self.origin(lambda call: call.answer_chunked([b"abc", b"def"]))
        client = self.client(self.proxy(origin))
        client.send(request_bytes("GET", "/", version="HTTP/1.0"))
        response = client.read_response()
        self.assertNotIn("Transfer-Encoding", response.fields)
        self.assertEqual(b"abcdef", response.body)
        self.assertEqual("HTTP/1.1", origin.calls[0].version)

    def test_http_1_0_callers_need_no_host_and_are_closed_after(self):
        daemon = self.proxy(self.origin())
        client = self.client(daemon)
        client.send("GET / HTTP/1.0\r\n\r\n")
        self.assertEqual(b"ok", client.read_response().body)
        self.assertEqual(b"", client.read_to_end())

    def test_a_request_without_a_host_gets_the_endpoints(self):
        origin, unix = self.origin(), self.origin(unix_path=f"{self.directory}/s")
        for upstream, host in ((origin, f"127.0.0.1:{origin.port}"), (unix, "localhost")):
            client = self.client(self.proxy(upstream))
            client.send("GET / HTTP/1.0\r\n\r\n")
            self.assertEqual(b"ok", client.read_response().body)
            self.assertEqual([host], upstream.calls[0].fields.all("Host"))

    def test_http_1_0_callers_may_ask_to_stay(self):
        client = self.client(self.proxy(self.origin()))
        for _ in range(2):
            response = client.request("GET", "/", {"Connection": "keep-alive"}, version="HTTP/1.0")
            self.assertEqual(b"ok", response.body)
            self.assertIn("keep-alive", response.fields.tokens("Connection"))

    def test_an_http_1_0_upstream_is_not_reused_unless_it_says_so(self):
        def behave(call):
            stay = "keep" in call.target
            call.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n" +
                      ("Connection: keep-alive\r\n" if stay else "") + "\r\nok")
        origin = self.origin(behave)
        client = self.client(self.proxy(origin))
        for target in ("/a", "/b", "/keep", "/keep", "/c"):
            response = client.get(target)
            self.assertEqual(("HTTP/1.1", b"ok"), (response.version, response.body))
        self.assertEqual([0, 1, 2, 2, 2], [call.connection for call in origin.calls])

    def test_a_response_that_ends_with_its_connection(self):
        origin = self.origin(sends(b"HTTP/1.1 200 OK\r\n\r\nall of it"))
        client = self.client(self.proxy(origin))
        response = client.get()
        self.assertEqual(b"all of it", response.body)
        self.assertIn("chunked", response.fields.tokens("Transfer-Encoding"))
        self.assertEqual(b"all of it", client.get().body)
        self.assertEqual(2, origin.connections)

    def test_bytes_beyond_the_length_end_the_upstream_connection(self):
        origin = self.origin(in_turn(
            sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"
                  b"Content-Length: 4\r\n\r\nevil", close=False), answers()))
        client = self.client(self.proxy(origin))
        self.assertEqual(b"ok", client.get().body)
        self.assertEqual(b"ok", client.get().body)
        self.assertEqual(2, origin.connections)

    def test_bytes_from_an_idle_upstream_end_its_connection(self):
        said = self.gate()

        def behave(call):
            call.answer()
            if call.number == 0:
                call.wait(said)
                call.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        origin = self.origin(behave)
        client = self.client(self.proxy(origin))
        client.get()
        said.set()
        origin.wait_open(0)
        self.assertEqual(b"ok", client.get().body)
        self.assertEqual(2, origin.connections)


class BrokenUpstreamTest(Case):
    def test_an_upstream_that_dies_mid_body_leaves_an_incomplete_response(self):
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        heads = {"length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                 "chunked": chunked + b"3\r\nabc\r\n", "mid-chunk": chunked + b"9\r\nabc",
                 "bad-chunk": chunked + b"3\r\nabc\r\nzz\r\n"}

        def behave(call):
            word = call.target.split("/")[1]
            call.send(heads[word])
            self.sent.wait(GUARD)
            call.reset() if call.target.endswith("reset") else call.close()
        origin = self.origin(behave)
        daemon = self.proxy(origin)
        for version in ("HTTP/1.1", "HTTP/1.0"):
            for word in heads:
                for end in ("close", "reset"):
                    with self.subTest(f"{version} {word} {end}"):
                        self.sent = threading.Event()
                        client = self.client(daemon)
                        client.send_request("GET", f"/{word}/{end}", version=version)
                        response = client.read_response_head()
                        client.read_until(b"abc")
                        self.sent.set()
                        client.buffer = b"" if version == "HTTP/1.0" else client.buffer
                        with self.assertRaises((Incomplete, ValueError)):
                            self._read_rest(client, response)
        self.assertEqual(16, len(origin.calls), "nothing is retried once a head was passed on")
        daemon.wait_metric("responses_aborted_total", 16, side="upstream")

    @staticmethod
    def _read_rest(client, response):
        if "Content-Length" in response.fields:
            client.read_exact(7)
        elif "Transfer-Encoding" in response.fields:
            client.read_until(b"0\r\n\r\n")
        else:
            client.read_to_end()

    def test_a_reset_ends_a_response_without_a_length_incomplete(self):
        def behave(call):
            call.send("HTTP/1.1 200 OK\r\n\r\nabc")
            self.sent.wait(GUARD)
            call.reset()
        daemon = self.proxy(self.origin(behave))
        for version in ("HTTP/1.1", "HTTP/1.0"):
            with self.subTest(version):
                self.sent = threading.Event()
                client = self.client(daemon)
                client.send_request("GET", "/", version=version)
                response = client.read_response_head()
                client.read_until(b"abc")
                self.sent.set()
                with self.assertRaises(Incomplete):
                    self._read_rest(client, response)

    MALFORMED = {
        "no http": b"hello\r\n\r\n",
        "a banner": b"SSH-2.0-OpenSSH_9.2\r\n",
        "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        "status of letters": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
        "version 2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                              b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "differing lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                             b"Content-Length: 3\r\n\r\nabc",
        "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
        "coding gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "folded line": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        "bare CR": b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n",
        "NUL": b"HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n",
        "bad name": b"HTTP/1.1 200 OK\r\nA b: c\r\nContent-Length: 0\r\n\r\n",
        "empty name": b"HTTP/1.1 200 OK\r\n: c\r\nContent-Length: 0\r\n\r\n",
        "101 nobody asked for": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n"
                                b"Connection: upgrade\r\n\r\n",
        "an endless head": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 2_000_000 + b"\r\n\r\n",
    }

    def test_a_malformed_response_is_a_502(self):
        def behave(call):
            call.body
            call.send(self.MALFORMED[call.fields.get("case")])
            call.close()
        daemon = self.proxy(self.origin(behave), route=NO_RETRY, upstream=NO_EJECTION)
        for name in self.MALFORMED:
            with self.subTest(name):
                response = self.request(daemon, fields={"case": name})
                self.assert_local(response, 502, "bad-response", "http_protocol_error")
        daemon.wait_metric("upstream_attempts_total", len(self.MALFORMED), outcome="bad-response")

    def test_an_upstream_that_closes_without_an_answer_is_a_502(self):
        origin = self.origin(by_target(close=lambda call: call.close(),
                                       reset=lambda call: call.reset(),
                                       half=sends(b"HTTP/1.1 200 OK\r\nConte")))
        daemon = self.proxy(origin, route=NO_RETRY, upstream=NO_EJECTION)
        for word in ("close", "reset"):
            self.assert_local(self.request(daemon, target=f"/{word}"), 502, "reset",
                              "connection_terminated")
        self.assertEqual(502, self.request(daemon, target="/half").status)
        daemon.wait_metric("upstream_attempts_total", lambda count: count >= 2, outcome="reset")


class TunnelTest(Case):
    UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"),
               ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")]

    @staticmethod
    def echo(call):
        call.head(101, [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")], "Switching")
        call.over = True
        while True:
            data = call.wire.take(len(call.wire.buffer))
            if data:
                call.send(data)
            elif not call.wire.fill():
                return

    def test_an_upgraded_connection_is_a_tunnel(self):
        origin = self.origin(self.echo)
        daemon = self.proxy(origin)
        client = self.client(daemon)
        response = client.request("GET", "/chat", self.UPGRADE)
        self.assertEqual(101, response.status)
        self.assertEqual("websocket", response.fields.get("Upgrade").lower())
        self.assertIn("upgrade", response.fields.tokens("Connection"))
        self.assertEqual("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                         response.fields.get("Sec-WebSocket-Accept"))
        self.assertEqual("dGhlIHNhbXBsZSBub25jZQ==",
                         origin.calls[0].fields.get("Sec-WebSocket-Key"))
        for message in (b"\x81\x05hello", b"\0\r\n\r\n" * 10, bytes(range(256)) * 4000):
            sender = threading.Thread(target=client.send, args=(message,), daemon=True)
            sender.start()
            self.assertEqual(message, client.read_exact(len(message)))
            sender.join(GUARD)
        client.close()
        origin.wait_open(0)
        daemon.wait_metric("requests_total", 1, code="101")

    def test_bytes_sent_with_the_request_and_with_the_answer_belong_to_the_tunnel(self):
        def behave(call):
            call.send("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                      "server first")
            call.send(call.wire.read_exact(12))
            call.over = True
        client = self.client(self.proxy(self.origin(behave)))
        client.send(request_bytes("GET", "/", self.UPGRADE) + b"client first")
        self.assertEqual(101, client.read_response().status)
        self.assertEqual(b"server firstclient first", client.read_exact(24))
        self.assertEqual(b"", client.wait_closed())

    def test_the_upstream_closing_ends_the_tunnel(self):
        def behave(call):
            call.head(101, [("Connection", "Upgrade"), ("Upgrade", "websocket")], "Switching")
            call.send("bye")
            call.close()
        client = self.client(self.proxy(self.origin(behave)))
        client.send_request("GET", "/", self.UPGRADE)
        self.assertEqual(101, client.read_response().status)
        self.assertEqual(b"bye", client.wait_closed())

    def test_a_refused_upgrade_is_an_ordinary_response(self):
        origin = self.origin()
        client = self.client(self.proxy(origin))
        self.assertEqual(b"ok", client.request("GET", "/", self.UPGRADE).body)
        self.assertEqual(b"ok", client.get().body)

    def test_other_upgrades_are_forwarded_without_the_upgrade(self):
        origin = self.origin()
        daemon = self.proxy(origin)
        response = self.request(daemon, fields=[("Connection", "Upgrade, HTTP2-Settings"),
                                                ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")])
        self.assertEqual(200, response.status)
        seen = origin.calls[0].fields
        self.assertNotIn("Upgrade", seen)
        self.assertNotIn("HTTP2-Settings", seen)
        self.assertNotIn("upgrade", seen.tokens("Connection"))

    def test_the_list_of_upgrades_is_the_listeners(self):
        def behave(call):
            call.answer(body=call.fields.get("Upgrade", "none"))
        daemon = self.proxy(self.origin(behave), listener={"upgrades": ["chat"]})
        for protocol, seen in (("chat", "chat"), ("websocket", "none")):
            fields = [("Connection", "Upgrade"), ("Upgrade", protocol)]
            self.assertEqual(seen, self.request(daemon, fields=fields).text)


class HeadersTest(Case):
    def seen(self, fields, listener=None, **options):
        """What the origin sees of a GET with these fields, and the response."""
        origin = self.origin()
        response = self.request(self.proxy(origin, listener=listener), fields=fields, **options)
        return origin.calls[0].fields, response

    def test_fields_keep_their_order_number_and_case(self):
        sent = [("X-B", "1"), ("x-a", "2"), ("X-b", "3"), ("Cookie", "a=b"), ("X-A", ""),
                ("Cookie", "c=d"), ("Accept", "*/*"), ("X-Long", "y" * 4000)]
        seen, _ = self.seen(sent)
        names = {name.lower() for name, _ in sent}
        self.assertEqual([(name.lower(), value) for name, value in sent],
                         [(name.lower(), value) for name, value in seen if name.lower() in names])

    def test_response_fields_keep_their_order_and_number(self):
        sent = [("Set-Cookie", "a=1"), ("X-Z", "1"), ("Set-Cookie", "b=2"), ("X-Z", "2"),
                ("Server", "s"), ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")]
        daemon = self.proxy(self.origin(answers(fields=sent)))
        fields = self.request(daemon).fields
        names = {name for name, _ in sent}
        self.assertEqual(sent, [each for each in fields if each[0] in names])
        self.assertEqual(1, len(fields.all("Date")))

    def test_hop_by_hop_fields_are_removed_from_requests(self):
        seen, _ = self.seen([("Connection", "X-Mine, keep-alive"), ("X-Mine", "1"),
                             ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"),
                             ("TE", "gzip"), ("Proxy", "http://evil"), ("X-Yours", "2")])
        for name in ("X-Mine", "Keep-Alive", "Proxy-Connection", "Proxy"):
            self.assertNotIn(name, seen)
        self.assertNotIn("gzip", seen.tokens("TE"))
        self.assertEqual("2", seen.get("X-Yours"))

    def test_hop_by_hop_fields_are_removed_from_responses(self):
        daemon = self.proxy(self.origin(answers(fields=[
            ("Connection", "X-Mine"), ("X-Mine", "1"), ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"), ("X-Yours", "2")])))
        fields = self.request(daemon).fields
        for name in ("X-Mine", "Keep-Alive", "Proxy-Connection"):
            self.assertNotIn(name, fields)
        self.assertEqual("2", fields.get("X-Yours"))

    def test_the_request_id_is_kept_and_shown(self):
        seen, response = self.seen({"X-Request-Id": "mine-1"})
        self.assertEqual((["mine-1"], ["mine-1"]),
                         (seen.all("x-request-id"), response.fields.all("x-request-id")))

    def test_a_request_id_is_made_and_shown(self):
        origin = self.origin()
        client = self.client(self.proxy(origin))
        made = [client.get().fields.all("x-request-id") for _ in range(3)]
        self.assertEqual(made, [call.fields.all("x-request-id") for call in origin.calls])
        self.assertEqual([1, 1, 1], [len(ids) for ids in made])
        self.assertEqual(3, len({ids[0] for ids in made}))
        self.assertTrue(all(len(ids[0]) >= 16 for ids in made))

    def test_the_upstreams_own_request_id_stands(self):
        daemon = self.proxy(self.origin(answers(fields={"X-Request-Id": "theirs"})))
        self.assertEqual(["theirs"], self.request(daemon).fields.all("x-request-id"))

    def test_local_answers_carry_the_request_id_too(self):
        daemon = self.proxy(self.origin(), route={"match": {"path": "/only"}})
        response = self.request(daemon, fields={"X-Request-Id": "mine"})
        self.assertEqual((404, "mine"), (response.status, response.fields.get("X-Request-Id")))

    def test_inbound_appends_who_asked(self):
        seen, _ = self.seen({"X-Forwarded-For": "10.1.1.1"}, {"direction": "inbound"})
        self.assertEqual("10.1.1.1, 127.0.0.1", ", ".join(seen.all("X-Forwarded-For")))
        self.assertEqual(["http"], seen.all("X-Forwarded-Proto"))
        self.assertEqual(["test.local"], seen.all("X-Forwarded-Host"))

    def test_inbound_leaves_the_first_host_and_proto_as_they_are(self):
        seen, _ = self.seen({"X-Forwarded-Host": "first", "X-Forwarded-Proto": "https"},
                            {"direction": "inbound"})
        self.assertEqual((["first"], ["https"]), (seen.all("X-Forwarded-Host"),
                                                  seen.all("X-Forwarded-Proto")))
        self.assertEqual(["127.0.0.1"], seen.all("X-Forwarded-For"))

    def test_outbound_passes_forwarded_fields_as_they_are(self):
        seen, _ = self.seen({"X-Forwarded-For": "10.1.1.1"})
        self.assertEqual(["10.1.1.1"], seen.all("X-Forwarded-For"))
        self.assertNotIn("X-Forwarded-Proto", seen)
        self.assertNotIn("X-Forwarded-Host", seen)

    def test_forwarded_fields_may_be_removed(self):
        seen, _ = self.seen({"X-Forwarded-For": "10.1.1.1", "X-Forwarded-Host": "h",
                             "X-Forwarded-Proto": "https"}, {"forwarded": "remove"})
        for name in ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"):
            self.assertNotIn(name, seen)

    def test_the_attempt_is_numbered_and_never_goes_back(self):
        name = "x-outrigger-attempt"
        for sent, seen in (({}, "1"), ({name: "3"}, "3"), ({name: "x"}, "1")):
            self.assertEqual([seen], self.seen(sent)[0].all(name))

    def test_traceparent_and_host_are_passed_on(self):
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        seen, _ = self.seen({"traceparent": trace, "Host": "my.host:81"})
        self.assertEqual(([trace], ["my.host:81"]), (seen.all("traceparent"), seen.all("Host")))

    def test_an_absolute_targets_authority_is_the_host(self):
        origin = self.origin()
        daemon = self.proxy(origin)
        self.request(daemon, target="http://other.example:99/a?b=c")
        self.assertEqual(("/a?b=c", ["other.example:99"]),
                         (origin.calls[0].target, origin.calls[0].fields.all("Host")))

    def test_path_and_query_are_forwarded_as_sent(self):
        origin = self.origin()
        client = self.client(self.proxy(origin))
        targets = ["/", "/a//b", "/%41%2f%7e", "/a/../b/./c", "/?", "/a?b=c?d=/../&&", "/a;p=1,2",
                   "/%E2%82%AC", "/" + "x" * 8000]
        for target in targets:
            self.assertEqual(200, client.get(target).status, target)
        self.assertEqual(targets, [call.target for call in origin.calls])

    def test_options_of_everything_is_forwarded(self):
        origin = self.origin()
        self.assertEqual(200, self.request(self.proxy(origin), "OPTIONS", "*").status)
        self.assertEqual("*", origin.calls[0].target)

    def test_via_is_added_only_where_asked_for(self):
        seen, response = self.seen({})
        self.assertNotIn("Via", seen)
        self.assertNotIn("Via", response.fields)
        seen, response = self.seen({"Via": "1.0 first"}, {"via": True})
        self.assertRegex(", ".join(seen.all("Via")), r"^1\.0 first, 1\.1 \S+$")
        self.assertRegex(response.fields.get("Via", ""), r"^1\.1 \S+$")

    def test_dot_segments_are_refused_inbound(self):
        origin = self.origin()
        daemon = self.proxy(origin, listener={"direction": "inbound"})
        for target in ("/a/../b", "/./a", "/a/..", "/a/%2e%2e/b", "/a/%2E./b", "/..?x"):
            self.assert_local(self.request(daemon, target=target), 400, "path-dots",
                              "http_request_error")
        for target in ("/a..b", "/...", "/a?x=/../", "/.well-known/x"):
            self.assertEqual(200, self.request(daemon, target=target).status, target)
        self.assertEqual(4, len(origin.calls))

    def test_local_answers_as_json(self):
        daemon = self.proxy(self.origin(), route={"match": {"path": "/only"}},
                            local_replies={"format": "json"})
        response = self.request(daemon)
        self.assert_local(response, 404, "no-route", "destination_not_found")
        self.assertTrue(response.fields.get("Content-Type").startswith("application/json"))
        self.assertIn("no-route", json.dumps(json.loads(response.body)))

    def test_local_answers_as_text(self):
        daemon = self.proxy(self.origin(), route={"match": {"path": "/only"}})
        response = self.request(daemon)
        self.assertTrue(response.fields.get("Content-Type").startswith("text/plain"))
        self.assertTrue(0 < len(response.body) < 500)
        self.assertEqual(b"", self.request(daemon, "HEAD").body)


def with_fields(*lines, start="POST / HTTP/1.1", host="Host: h"):
    return "\r\n".join([start, *([host] if host else []), *lines]).encode("latin-1") + b"\r\n\r\n"


class RefusedRequestsTest(Case):
    """name → (bytes, status, reason); a tuple of statuses where the standard leaves it open."""

    UNSOUND = {
        "length and chunked": (with_fields("Content-Length: 3", "Transfer-Encoding: chunked"), 400),
        "chunked and length": (with_fields("Transfer-Encoding: chunked", "Content-Length: 3"), 400),
        "differing lengths": (with_fields("Content-Length: 3", "Content-Length: 4"), 400),
        "a list of differing lengths": (with_fields("Content-Length: 3, 4"), 400),
        "length with a sign": (with_fields("Content-Length: +3"), 400),
        "negative length": (with_fields("Content-Length: -3"), 400),
        "length in hex": (with_fields("Content-Length: 0x3"), 400),
        "length with a tail": (with_fields("Content-Length: 3 3"), 400),
        "empty length": (with_fields("Content-Length:"), 400),
        "overflowing length": (with_fields("Content-Length: 99999999999999999999999"), (400, 413)),
        "coding gzip": (with_fields("Transfer-Encoding: gzip"), (400, 501)),
        "coding gzip, chunked": (with_fields("Transfer-Encoding: gzip, chunked"), (400, 501)),
        "coding chunked, gzip": (with_fields("Transfer-Encoding: chunked, gzip"), (400, 501)),
        "coding chunked twice": (with_fields("Transfer-Encoding: chunked",
                                             "Transfer-Encoding: chunked"), (400, 501)),
        "an obscured coding": (with_fields("Transfer-Encoding: xchunked"), (400, 501)),
        "a coding with a vertical tab": (with_fields("Transfer-Encoding: \x0bchunked"), (400, 501)),
        "an empty coding": (with_fields("Transfer-Encoding:"), (400, 501)),
        "chunked in HTTP/1.0": (with_fields("Transfer-Encoding: chunked",
                                            start="POST / HTTP/1.0"), (400, 501)),
        "no host": (with_fields(host=None, start="GET / HTTP/1.1"), 400),
        "two hosts": (with_fields("Host: g", start="GET / HTTP/1.1"), 400),
        "the same host twice": (with_fields("Host: h", start="GET / HTTP/1.1"), 400),
        "two hosts in HTTP/1.0": (with_fields("Host: g", start="GET / HTTP/1.0"), 400),
        "a host with a space": (with_fields(host="Host: a b", start="GET / HTTP/1.1"), 400),
        "a host with a path": (with_fields(host="Host: a/b", start="GET / HTTP/1.1"), 400),
        "a host with userinfo": (with_fields(host="Host: u@a", start="GET / HTTP/1.1"), 400),
        "bare CR in a value": (with_fields("A: b\rc"), 400),
        "NUL in a value": (with_fields("A: b\0c"), 400),
        "NUL in a name": (with_fields("A\0: b"), 400),
        "a space in a name": (with_fields("A b: c"), 400),
        "a space before the colon": (with_fields("A : b"), 400),
        "a tab before the colon": (with_fields("Content-Length\t: 3"), 400),
        "an empty name": (with_fields(": b"), 400),
        "a name with a bracket": (with_fields("A[: b"), 400),
        "a line without a colon": (with_fields("AAA"), 400),
        "a folded line": (with_fields("A: b", " c"), 400),
        "a line folded with a tab": (with_fields("A: b", "\tc"), 400),
        "a folded first line": (with_fields(" A: b"), 400),
        "bare LF between lines": (b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", 400),
        "bare LF everywhere": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
        "two spaces after the method": (with_fields(start="GET  / HTTP/1.1"), 400),
        "two spaces before the version": (with_fields(start="GET /  HTTP/1.1"), 400),
        "a space in the target": (with_fields(start="GET /a b HTTP/1.1"), 400),
        "a fragment": (with_fields(start="GET /a#b HTTP/1.1"), 400),
        "no target": (with_fields(start="GET HTTP/1.1"), 400),
        "a target without a slash": (with_fields(start="GET a HTTP/1.1"), 400),
        "a control in the target": (with_fields(start="GET /\x01 HTTP/1.1"), 400),
        "an asterisk for GET": (with_fields(start="GET * HTTP/1.1"), 400),
        "an absolute target of another scheme": (with_fields(start="GET ftp://h/ HTTP/1.1"), 400),
        "userinfo in an absolute target": (with_fields(start="GET http://u@h/ HTTP/1.1"), 400),
        "no version": (b"GET /\r\n\r\n", (400, 505)),
        "version 2.0": (with_fields(start="GET / HTTP/2.0"), 505),
        "version 9.9": (with_fields(start="GET / HTTP/9.9"), 505),
        "a made-up version": (with_fields(start="GET / HTPP/1.1"), (400, 505)),
        "the HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 501, 505)),
        "a TLS hello": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 20 +
                        b"\r\n\r\n", 400),
        "CONNECT": (with_fields(start="CONNECT h:443 HTTP/1.1"), 501),
        "an unknown method": (with_fields(start="BREW / HTTP/1.1"), 501),
        "a method in lower case": (with_fields(start="get / HTTP/1.1"), (400, 501)),
        "an unknown expectation": (with_fields("Expect: tea", "Content-Length: 0"), 417),
    }
    REASONS = {400: "bad-request", 413: "body-too-large", 417: "expectation-failed",
               501: "not-implemented", 505: "version-not-supported"}

    def test_unsound_requests_are_refused_and_never_forwarded(self):
        origin = self.origin()
        daemon = self.proxy(origin)
        for name, (data, expected) in self.UNSOUND.items():
            with self.subTest(name):
                # What would be the smuggled request comes along.
                response, client = self.raw(daemon, data + request_bytes("GET", "/smuggled"))
                allowed = expected if isinstance(expected, tuple) else (expected,)
                self.assertIn(response.status, allowed)
                self.assert_local(response, response.status, self.REASONS[response.status],
                                  "http_request_error")
                self.assertEqual(b"", client.wait_closed(), "a second answer")
                client.close()
        self.assertEqual([], [(call.method, call.target) for call in origin.calls])
        daemon.wait_metric("local_replies_total", lambda count: count > 30, reason="bad-request")
        self.assertEqual(b"ok", self.request(daemon).body)

    def test_what_looks_odd_but_is_sound_is_forwarded(self):
        origin = self.origin()
        daemon = self.proxy(origin)
        sound = {
            "an empty line before": b"\r\n" + request_bytes("GET", "/"),
            "no space after the colon": b"GET / HTTP/1.1\r\nHost:h\r\n\r\n",
            "spaces around the value": b"GET / HTTP/1.1\r\nHost: \t h \t \r\n\r\n",
            "an empty value": with_fields("A:", start="GET / HTTP/1.1"),
            "bytes above 127": with_fields("A: \xe9", start="GET / HTTP/1.1"),
            "every name character": with_fields("!#$%&'*+-.^_`|~09az: 1", start="GET / HTTP/1.1"),
            "a host with a port": with_fields(host="Host: h:80", start="GET / HTTP/1.1"),
            "an IPv6 host": with_fields(host="Host: [::1]:80", start="GET / HTTP/1.1"),
            "CHUNKED": with_fields("Transfer-Encoding: Chunked") + b"0\r\n\r\n",
            "a chunk extension": with_fields("Transfer-Encoding: chunked") +
                                 b"1;a=b\r\nx\r\n0\r\n\r\n",
        }
        for name, data in sound.items():
            with self.subTest(name):
                response, client = self.raw(daemon, data)
                self.assertEqual(b"ok", response.body)
                client.close()
        self.assertEqual(len(sound), len(origin.calls))

    def test_unsound_chunks_end_the_request(self):
        bad = {"size of letters": b"xyz\r\nabc\r\n0\r\n\r\n", "empty size": b"\r\nabc\r\n0\r\n\r\n",
               "negative size": b"-3\r\nabc\r\n0\r\n\r\n", "overflow": b"fffffffffffffffff\r\nabc",
               "no end of data": b"3\r\nabcX\r\n0\r\n\r\n", "bare LF": b"3\nabc\r\n0\r\n\r\n",
               "size with a sign": b"+3\r\nabc\r\n0\r\n\r\n",
               "size in 0x": b"0x3\r\nabc\r\n0\r\n\r\n"}
        whole = []

        def behave(call):
            call.body
            whole.append(call)
            call.answer()
        origin = self.origin(behave)
        daemon = self.proxy(origin)
        for name, data in bad.items():
            with self.subTest(name):
                client = self.client(daemon)
                client.send_request("POST", "/", {"Transfer-Encoding": "chunked"})
                client.send(data)
                response = client.read_response()
                self.assert_local(response, 400, "bad-request", "http_request_error")
                self.assertEqual(b"", client.wait_closed())
        self.assertEqual([], whole, "none of them is a whole request upstream")

    def test_a_request_cut_short_is_not_completed_upstream(self):
        finished = []

        def behave(call):
            call.body
            finished.append(call)
            call.answer()
        origin = self.origin(behave)
        daemon = self.proxy(origin, route={"retry": {"max_body_bytes": 0}})
        for fields, part in (({"Content-Length": "10"}, b"abc"),
                             ({"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n")):
            client = self.client(daemon)
            client.send_request("POST", "/", fields)
            client.send(part)
            client.half_close()
            client.wait_closed()
        origin.wait_open(0)
        self.assertEqual([], finished)

    def test_a_refusal_does_not_lose_earlier_answers(self):
        client = self.client(self.proxy(self.origin()))
        client.send(request_bytes("GET", "/a") + b"BAD\r\n\r\n")
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(400, client.read_response().status)
        self.assertEqual(b"", client.wait_closed())


class LargeBodiesTest(Case):
    """Streams many times the size of every buffer; memory is looked at on the way."""

    BLOCK = zlib.compress(bytes(str(list(range(60000))), "ascii"), 1)[:65536]
    MAX_RESIDENT_KIB = 30 * 1024

    def setUp(self):
        super().setUp()
        self.assertEqual(65536, len(self.BLOCK))

    def checksum(self, blocks):
        total = 0
        for _ in range(blocks):
            total = zlib.crc32(self.BLOCK, total)
        return total

    def watch_memory(self, daemon):
        """A function that stops watching and gives the most that was resident."""
        most, stop = [0], threading.Event()

        def watch():
            while not stop.is_set():
                most[0] = max(most[0], daemon.resident_kib())
                stop.wait(0.02)
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()

        def end():
            stop.set()
            thread.join(GUARD)
            return most[0]
        return end

    def check_memory(self, most):
        if not SANITIZED:
            self.assertLess(most, self.MAX_RESIDENT_KIB, "KiB resident")

    def echo_of(self, size):
        """POST of `size` bytes; the origin answers its checksum; then GET of as much."""
        blocks = size // len(self.BLOCK)

        def behave(call):
            if call.method == "POST":
                call.answer(body=str(read_checksum(call.wire, call.fields)), read_body=False)
            elif "chunked" in call.target:
                call.head(200, {"Transfer-Encoding": "chunked"})
                for _ in range(blocks):
                    call.send(chunk(self.BLOCK))
                call.send("0\r\n\r\n")
            else:
                call.head(200, {"Content-Length": size})
                for _ in range(blocks):
                    call.send(self.BLOCK)
        daemon = self.proxy(self.origin(behave), route={"timeouts": {"request": "off"}})
        client = self.client(daemon)
        memory = self.watch_memory(daemon)
        expected = self.checksum(blocks)

        client.send_request("POST", "/length", {"Content-Length": size})
        for _ in range(blocks):
            client.send(self.BLOCK)
        self.assertEqual(str(expected), client.read_response().text)

        client.send_request("POST", "/chunked", {"Transfer-Encoding": "chunked"})
        for _ in range(blocks):
            client.send(chunk(self.BLOCK))
        client.send("0\r\n\r\n")
        self.assertEqual(str(expected), client.read_response().text)

        for target in ("/length", "/chunked"):
            client.send_request("GET", target)
            response = client.read_response_head()
            self.assertEqual(expected, read_checksum(client, response.fields), target)
        self.check_memory(memory())

    def test_64_mib_each_way_in_little_memory(self):
        self.echo_of(64 * MIB)

    @unittest.skipUnless(LONG, "only with OUTRIGGER_E2E_LONG=1")
    def test_2_gib_each_way_in_little_memory(self):
        self.echo_of(2048 * MIB)

    def test_a_slow_reader_holds_the_upstream_back(self):
        size = 64 * MIB
        sent = [0]

        def behave(call):
            call.head(200, {"Content-Length": size})
            for _ in range(size // len(self.BLOCK)):
                call.send(self.BLOCK)
                sent[0] += len(self.BLOCK)
        daemon = self.proxy(self.origin(behave))
        client = self.client(daemon, receive_buffer=16384)
        client.send_request("GET", "/")
        response = client.read_response_head()
        stalled = self.until_still(lambda: sent[0])
        self.assertLess(stalled, size)
        self.check_memory(daemon.resident_kib())
        self.assertEqual(self.checksum(size // len(self.BLOCK)),
                         read_checksum(client, response.fields))

    def test_a_slow_upstream_holds_the_caller_back(self):
        size = 64 * MIB
        gate = self.gate()
        sent = [0]

        def behave(call):
            call.wait(gate)
            call.answer(body=str(read_checksum(call.wire, call.fields)), read_body=False)
        daemon = self.proxy(self.origin(behave))
        client = self.client(daemon)

        def upload():
            client.send_request("POST", "/", {"Content-Length": size})
            for _ in range(size // len(self.BLOCK)):
                client.send(self.BLOCK)
                sent[0] += len(self.BLOCK)
        uploading = threading.Thread(target=upload, daemon=True)
        uploading.start()
        stalled = self.until_still(lambda: sent[0])
        self.assertLess(stalled, size)
        self.check_memory(daemon.resident_kib())
        gate.set()
        self.assertEqual(str(self.checksum(size // len(self.BLOCK))), client.read_response().text)
        uploading.join(GUARD)

    def until_still(self, look):
        """The value once it has stopped to change."""
        last, same = None, 0

        def still():
            nonlocal last, same
            value = look()
            same = same + 1 if value == last and value else 0
            last = value
            time.sleep(0.02)
            return same >= 15
        self.eventually(still, "back-pressure")
        return last


def read_checksum(wire, fields):
    """CRC-32 of the body that follows, of any size in little memory."""
    total = 0

    def add(data):
        nonlocal total
        total = zlib.crc32(data, total)
    if "Transfer-Encoding" in fields:
        wire.read_chunked(add)
        return total
    left = int(fields.get("Content-Length"))
    while left:
        if not wire.buffer and not wire.fill(1 << 18):
            raise Incomplete(b"", wire.was_reset)
        data = wire.take(min(left, len(wire.buffer)))
        left -= len(data)
        add(data)
    return total


if __name__ == "__main__":
    unittest.main()
