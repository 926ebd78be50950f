"""The access log: a line an exchange, whatever becomes of the file."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from harness import (Case, Client, Incomplete, answers, by_target, closes, eventually,
                     free_address, in_turn, process, run_binary, waits_for)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class AccessLogCase(Case):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.directory, "access.log")

    def logged(self, *origins, settings=None, **options):
        return self.proxy(*origins, access_log={"path": self.path, **(settings or {})}, **options)

    def text(self, path=None):
        try:
            with open(path or self.path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def lines(self, count=None, path=None):
        """The lines as JSON, once there are that many."""
        if count is not None:
            eventually(lambda: self.text(path).count(b"\n") >= count, f"{count} lines")
        text = self.text(path)
        self.assertTrue(text == b"" or text.endswith(b"\n"), text[-100:])
        lines = [json.loads(line) for line in text.split(b"\n")[:-1]]
        if count is not None:
            self.assertEqual(count, len(lines))
        return lines

    def line(self):
        return self.lines(1)[0]


class FieldsTest(AccessLogCase):
    def test_a_success(self):
        origin = self.origin(answers(body="hello"))
        daemon = self.logged(origin)
        began = time.time()
        response = self.request(daemon, "POST", "/cart?item=1", {
            "Host": "shop.example:81", "X-Request-Id": "id-1",
            "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, b"abc")
        self.assertEqual(200, response.status)
        line = self.line()
        self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        at = time.strptime(line["time"][:19], "%Y-%m-%dT%H:%M:%S")
        at = __import__("calendar").timegm(at) + int(line["time"][20:23]) / 1000
        self.assertTrue(began - 0.01 <= at <= time.time() + 0.01, (began, at))
        duration = line.pop("duration_seconds")
        self.assertTrue(0 < duration < 60)
        tries = line.pop("tries")
        self.assertTrue(0 <= tries[0].pop("duration_seconds") <= duration)
        self.assertEqual([{"try": "first", "endpoint": origin.address, "outcome": "success",
                           "status": 200}], tries)
        del line["time"]
        self.assertEqual({"request_id": "id-1", "trace_id": TRACE, "listener": "main",
                          "route": "r", "upstream": "u", "method": "POST",
                          "host": "shop.example:81", "path": "/cart", "status": 200,
                          "bytes_in": 3, "bytes_out": 5, "caller": "127.0.0.1"}, line)

    def test_the_request_id_is_the_one_that_was_made(self):
        origin = self.origin()
        daemon = self.logged(origin)
        response = self.request(daemon, fields={"traceparent": "nonsense"})
        line = self.line()
        self.assertEqual(response.fields.get("X-Request-Id"), line["request_id"])
        self.assertNotIn("trace_id", line)

    def test_the_query_where_it_is_asked_for(self):
        daemon = self.logged(self.origin(), settings={"query": True})
        self.request(daemon, target="/a?b=c%20d")
        self.assertEqual("/a?b=c%20d", self.line()["path"])

    def test_retries(self):
        origin = self.origin(in_turn(answers(503), answers(200)))
        daemon = self.logged(origin, route={"retry": {}})
        self.assertEqual(200, self.request(daemon).status)
        line = self.line()
        self.assertEqual([("first", "5xx", 503), ("retry", "success", 200)],
                         [(t["try"], t["outcome"], t["status"]) for t in line["tries"]])
        self.assertEqual({origin.address}, {t["endpoint"] for t in line["tries"]})
        self.assertNotIn("reason", line)

    def test_each_try_names_its_endpoint(self):
        dead, origin = free_address(), self.origin()
        daemon = self.logged(dead, origin, route={"retry": {}},
                             upstream={"load_balancer": {"policy": "round_robin"}})
        for _ in range(2):
            self.assertEqual(200, self.request(daemon).status)
        lines = self.lines(2)
        retried = next(line for line in lines if len(line["tries"]) == 2)
        self.assertEqual([(dead, "connect-failure"), (origin.address, "success")],
                         [(t["endpoint"], t["outcome"]) for t in retried["tries"]])

    def test_a_denied_retry(self):
        daemon = self.logged(self.origin(answers(503)), route={"retry": {"max_retries": 0}})
        self.assertEqual(503, self.request(daemon).status)
        self.assertEqual("max-retries", self.line()["retry_denied"])

    def test_local_replies(self):
        daemon = self.logged(free_address(), route={"match": {"path_prefix": "/known"}})
        first = self.request(daemon, target="/other")
        second = self.request(daemon, target="/known")
        lines = sorted(self.lines(2), key=lambda x: x["status"])  # of several workers, one's come first
        self.assertEqual([(404, "no-route", "", "", len(first.body)),
                          (502, "connect-failure", "r", "u", len(second.body))],
                         [(x["status"], x["reason"], x["route"], x["upstream"], x["bytes_out"])
                          for x in lines])
        self.assertEqual([], lines[0]["tries"])
        self.assertEqual("connect-failure", lines[1]["tries"][0]["outcome"])

    def test_an_open_breaker_is_named(self):
        daemon = self.logged(free_address(), route={"retry": "off"},
                             upstream={"circuit_breaker": {"consecutive_failures": 1},
                                       "outlier_detection": "off"})
        self.assertEqual(502, self.request(daemon).status)
        self.assertEqual(503, self.request(daemon).status)
        line = next(x for x in self.lines(2) if x["status"] == 503)
        self.assertEqual(("circuit-open", "upstream", []),
                         (line["reason"], line["circuit_breaker"], line["tries"]))

    def test_fallbacks(self):
        for fallback, answer in (({"respond": {"status": 200, "body": "kept"}}, "respond"),
                                 ({"upstream": "v"}, "v")):
            with self.subTest(answer):
                self.path = os.path.join(self.directory, answer)
                other = self.origin()
                config = self.config(free_address(), access_log={"path": self.path}, route={
                    "fallback": {"fallback_on": ["connect-failure"], **fallback}})
                config["upstreams"]["v"] = {"endpoints": [other.address]}
                daemon = self.start(config)
                self.assertEqual(200, self.request(daemon).status)
                line = self.line()
                self.assertEqual((answer, "connect-failure", 200, "u"),
                                 (line["fallback"], line["reason"], line["status"],
                                  line["upstream"]))
                if answer == "v":
                    self.assertEqual("v", line["tries"][-1]["upstream"])
                    self.assertEqual(other.address, line["tries"][-1]["endpoint"])

    def test_a_caller_who_leaves(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        daemon = self.logged(origin)
        client = self.client(daemon)
        client.send_request("GET", "/")
        origin.wait_calls(1)
        client.close()
        line = self.line()
        self.assertEqual((499, "caller-gone"), (line["status"], line["reason"]))
        self.assertEqual("cancelled", line["tries"][0]["outcome"])

    def test_a_response_that_breaks_off(self):
        def half(call):
            call.head(200, {"Content-Length": 10})
            call.send(b"12345")
            call.over = True
        daemon = self.logged(self.origin(half))
        with self.assertRaises(Incomplete):
            self.request(daemon)
        line = self.line()
        self.assertEqual((200, "reset", "upstream", 5),
                         (line["status"], line["reason"], line["aborted"], line["bytes_out"]))

    def test_what_is_no_request_has_a_line_too(self):
        daemon = self.logged(self.origin())
        self.raw(daemon, b"nonsense \x01\xff\"\r\n\r\n")
        line = self.line()
        self.assertEqual((400, "bad-request", "main", ""),
                         (line["status"], line["reason"], line["listener"], line["route"]))

    def test_text(self):
        origin = self.origin(answers(body="hello"))
        daemon = self.logged(origin, settings={"format": "text"})
        self.request(daemon, target="/ab", fields={"X-Request-Id": 'one "two"'})
        eventually(lambda: self.text().endswith(b"\n"), "a line")
        self.assertRegex(self.text().decode(), re.compile(
            r'^time=\S+Z request_id="one \\"two\\"" listener=main route=r upstream=u method="GET" '
            r'host="test.local" path="/ab" status=200 bytes_in=0 bytes_out=5 '
            r'duration_seconds=[\d.]+ caller="127.0.0.1" '
            r'tries="first ' + re.escape(origin.address) + r' success 200 [\d.]+s"\n$'))


class HostileTest(AccessLogCase):
    def test_whatever_callers_send_each_line_is_one_and_json(self):
        daemon = self.logged(self.origin(), settings={"query": True})
        targets = [b'/"}', b"/\\", b"/\xff\xfe", b"/\xc3\xa9", b"/\xc2\x85", b"/\xe2\x80\xa8",
                   b"/\x1b[31m", b"/\x7f", b"/%0a%0d", b"/?" + b"q" * 3000, b"/" + b"\xff" * 3000]
        targets += [b"/" + bytes([c]) + b"x" for c in range(1, 256)]
        for target in targets:
            client = self.client(daemon)
            client.send(b"GET " + target + b" HTTP/1.1\r\nHost: a\"b\\c\r\nX-Request-Id: "
                        b"i\"\\\xff\xe2\x80\xa8d\r\nConnection: close\r\n\r\n")
            client.wait_closed()
            client.close()
        lines = self.lines(len(targets))
        self.assertEqual(len(targets), len(self.text().decode("utf-8").splitlines()))
        self.assertTrue(all(line["status"] in (200, 400) for line in lines))
        long = [line for line in lines if line.get("truncated")]
        self.assertTrue(long)
        self.assertTrue(all(len(line["path"].encode()) <= 2048 for line in long if "q" in
                            line["path"]))


class SelectionTest(AccessLogCase):
    def test_only_errors(self):
        origin = self.origin(by_target(bad=answers(500)))
        daemon = self.logged(origin, settings={"only": "errors"})
        for target in ("/good", "/bad", "/good"):
            self.request(daemon, target=target)
        daemon.terminate()
        self.assertEqual(["/bad"], [line["path"] for line in self.lines()])

    def test_a_sample(self):
        daemon = self.logged(self.origin(), settings={"sample_percent": 0})
        self.request(daemon)
        self.assertEqual(0, daemon.terminate())
        self.assertEqual([], self.lines())


class FileTest(AccessLogCase):
    def test_every_request_of_many_has_its_line(self):
        daemon = self.logged(self.origin())
        count, callers = 10_000, 20

        def call(_):
            client = Client(daemon.address)
            for _ in range(count // callers):
                self.assertEqual(200, client.get().status)
            client.close()
        self.many(callers, call)
        self.assertEqual(0, daemon.terminate())
        lines = self.lines(count)
        self.assertEqual(count, len({line["request_id"] for line in lines}))

    def test_what_is_buffered_is_written_at_the_end(self):
        daemon = self.logged(self.origin())
        self.request(daemon)
        self.assertEqual(0, daemon.terminate())
        self.lines(1)

    def test_rotation_loses_no_line(self):
        daemon = self.logged(self.origin())
        stop = threading.Event()
        sent = []

        def call(_):
            client = Client(daemon.address)
            count = 0
            while not stop.is_set():
                self.assertEqual(200, client.get().status)
                count += 1
            client.close()
            sent.append(count)
        callers = threading.Thread(target=self.many, args=(4, call))
        callers.start()
        moved = []
        for i in range(5):
            eventually(lambda: self.text() != b"", "lines in the file")
            moved.append(f"{self.path}.{i}")
            os.rename(self.path, moved[-1])
            daemon.signal(signal.SIGUSR1)
            eventually(lambda: os.path.exists(self.path), "the file opened again")
        stop.set()
        callers.join()
        self.assertEqual(0, daemon.terminate())
        lines = [line for path in [*moved, self.path] for line in self.lines(path=path)]
        self.assertEqual(sum(sent), len(lines))
        self.assertEqual(sum(sent), len({line["request_id"] for line in lines}))

    def test_a_file_that_cannot_be_opened_again_is_said(self):
        folder = os.path.join(self.directory, "logs")
        os.mkdir(folder)
        self.path = os.path.join(folder, "access.log")
        daemon = self.logged(self.origin())
        os.rename(folder, folder + ".gone")
        daemon.signal(signal.SIGUSR1)
        eventually(lambda: "what was open before stays" in daemon.log(), "the complaint")
        self.request(daemon)
        self.lines(1, folder + ".gone/access.log")

    def test_a_file_that_cannot_be_opened_ends_the_start(self):
        path = os.path.join(self.directory, "x.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.config(free_address(), listener={"address": "127.0.0.1:0"},
                                  admin="off", access_log={"path": "/no/such/folder/log"}), file)
        status, _, err = run_binary("run", "-c", path)
        self.assertEqual(1, status)
        self.assertIn("access_log.path /no/such/folder/log: cannot be opened: No such file", err)

    def test_a_full_disk_is_counted_and_said(self):
        daemon = self.proxy(self.origin(), access_log={"path": "/dev/full"})
        for _ in range(3):
            self.assertEqual(200, self.request(daemon).status)
        daemon.wait_metric("access_log_dropped_total", 3)
        eventually(lambda: "lines lost, No space left on device" in daemon.log(), "the complaint")

    def test_a_pipe_that_nobody_reads_holds_nobody_up(self):
        os.mkfifo(self.path)
        daemon = self.logged(self.origin())

        def call(_):
            client = Client(daemon.address)
            for _ in range(400):
                self.assertEqual(200, client.get(fields={"X-Request-Id": "i" * 128}).status)
            client.close()
        self.assertEqual(0, daemon.metric("access_log_dropped_total"))
        for _ in range(3):
            self.many(4, call)
        self.assertGreater(daemon.metric("access_log_dropped_total"), 0)
        eventually(lambda: "what reads them is too slow" in daemon.log(), "the complaint")
        self.assertEqual(0, daemon.terminate())

    def test_a_reload_changes_format_and_file_and_switches_it_off(self):
        origin = self.origin()
        config = self.config(origin, access_log={"path": self.path})
        daemon = self.start(config)
        self.request(daemon)
        self.lines(1)
        other = self.path + ".other"
        for settings in ({"path": self.path, "format": "text"}, {"path": other}, "off"):
            self.assertEqual(200, self.reload(daemon, {**config, "access_log": settings}).status)
            self.request(daemon)
        eventually(lambda: self.text(other).count(b"\n") == 1, "the other file's line")
        self.assertEqual(0, daemon.terminate())
        self.assertEqual([b"{", b"t"], [line[:1] for line in self.text().splitlines()])
        self.lines(1, other)

    def test_a_reload_to_what_cannot_be_opened_is_refused(self):
        config = self.config(self.origin(), access_log={"path": self.path})
        daemon = self.start(config)
        response = self.reload(daemon, {**config, "access_log": {"path": "/no/such/folder/log"}})
        self.assertNotEqual(200, response.status)
        self.assertIn("cannot be opened", response.text)
        self.request(daemon)
        self.lines(1)
        self.assertEqual(self.path, daemon.admin_json("/config")["access_log"]["path"])

    def reload(self, daemon, config):
        daemon.write_config(config)
        return daemon.admin("POST", "/reload", {"X-Outrigger-Admin": "1"})


class StdoutTest(AccessLogCase):
    def logging_to(self, stdout):
        return self.start(self.config(self.origin(), access_log={}), stdout=stdout)

    def test_a_pipe(self):
        reader, writer = os.pipe()
        daemon = self.logging_to(writer)
        os.close(writer)
        self.request(daemon)
        with os.fdopen(reader, "rb") as pipe:
            self.assertEqual(200, json.loads(pipe.readline())["status"])
            self.assertFalse(self.nonblocking(daemon))

    @staticmethod
    def nonblocking(daemon):
        with open(f"/proc/{daemon.pid}/fdinfo/1", encoding="ascii") as info:
            flags = re.search(r"flags:\s+(\d+)", info.read())[1]
        return bool(int(flags, 8) & os.O_NONBLOCK)

    def test_a_pipe_whose_reader_has_gone(self):
        reader, writer = os.pipe()
        daemon = self.logging_to(writer)
        os.close(writer)
        os.close(reader)
        for _ in range(2):
            self.assertEqual(200, self.request(daemon).status)
        daemon.wait_metric("access_log_dropped_total", 2)

    def test_a_full_pipe(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        daemon = self.logging_to(writer)
        os.close(writer)
        client = self.client(daemon)
        for _ in range(400):
            self.assertEqual(200, client.get(fields={"X-Request-Id": "i" * 128}).status)
        self.assertEqual(0, daemon.terminate())

    def test_a_file(self):
        with open(self.path, "ab") as file:
            file.write(b'{"status": 1}\n')
            file.flush()
            daemon = self.logging_to(file)
            self.request(daemon)
            self.assertEqual([1, 200], [line["status"] for line in self.lines(2)])
            daemon.signal(signal.SIGUSR1)
            self.request(daemon)
            self.assertEqual([1, 200, 200], [line["status"] for line in self.lines(3)])

    def test_a_socket(self):
        ours, theirs = socket.socketpair()
        daemon = self.logging_to(theirs.fileno())
        theirs.close()
        self.request(daemon)
        with ours, ours.makefile("rb") as lines:
            self.assertEqual(200, json.loads(lines.readline())["status"])
