"""HTTP/1.1 on both sides: framing, connections, headers, and what is refused."""

import json
import threading
import time
import unittest
import zlib

from harness import (GUARD, LONG, SANITIZED, Case, Incomplete, answers, by_target,
                     chunk, hangs, request_bytes, sends, waits_for)

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
        daemon = self.proxy(origin, workers=1)  # each has a pool of its own
        for _ in range(10):
            self.request(daemon)
        self.assertEqual(1, origin.connections)

    def test_the_last_used_connection_is_used_first(self):
        gate = self.gate()
        origin = self.origin(by_target(slow=waits_for(gate)))
        daemon = self.proxy(origin, workers=1)
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
        daemon = self.proxy(origin, workers=1)
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

    def test_a_request_without_a_host_gets_the_endpoints(self):
        origin, unix = self.origin(), self.origin(unix_path=f"{self.directory}/s")
        for upstream, host in ((origin, f"127.0.0.1:{origin.port}"), (unix, "localhost")):
            client = self.client(self.proxy(upstream))
            client.send("GET / HTTP/1.0\r\n\r\n")
            self.assertEqual(b"ok", client.read_response().body)
            self.assertEqual([host], upstream.calls[0].fields.all("Host"))

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

    MALFORMED = {
        "no http": b"hello\r\n\r\n",
        "differing lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                             b"Content-Length: 3\r\n\r\nabc",
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

    def test_the_upstream_closing_ends_the_tunnel(self):
        def behave(call):
            call.head(101, [("Connection", "Upgrade"), ("Upgrade", "websocket")], "Switching")
            call.send("bye")
            call.close()
        client = self.client(self.proxy(self.origin(behave)))
        client.send_request("GET", "/", self.UPGRADE)
        self.assertEqual(101, client.read_response().status)
        self.assertEqual(b"bye", client.wait_closed())

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


class RefusedRequestsTest(Case):
    """How a refusal is said and counted; what is refused stands in conformance/."""

    REFUSED = {
        "bad-request": (400, "GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n"),
        "expectation-failed": (417, "GET / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n"),
        "not-implemented": (501, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"),
        "version-not-supported": (505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"),
    }

    def test_refusals_say_why_and_are_counted(self):
        daemon = self.proxy(self.origin())
        for reason, (status, data) in self.REFUSED.items():
            with self.subTest(reason):
                response, client = self.raw(daemon, data)
                self.assert_local(response, status, reason, "http_request_error")
                self.assertEqual(b"", client.wait_closed())
                daemon.wait_metric("local_replies_total", 1, reason=reason)

    def test_an_unsound_chunk_is_a_bad_request(self):
        client = self.client(self.proxy(self.origin()))
        client.send_request("POST", "/", {"Transfer-Encoding": "chunked"})
        client.send("3\nabc\r\n0\r\n\r\n")
        self.assert_local(client.read_response(), 400, "bad-request", "http_request_error")


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
