"""The conformance suite's table (conformance/) against this program: a test a subject."""

import socket

from conformance import proxies, subjects
from conformance.exchange import Upstream, play_all
from conformance.strict import Broken, Malformed, Reader
from harness import GUARD, Case

LANES = 4
OWN_CHECKS = set(range(1, 21))    # each of the checks that we add to llhttp's has a case


class ConformanceTest(Case):
    def play(self, cases):
        upstreams = [Upstream() for _ in range(LANES)]
        for each in upstreams:
            self.addCleanup(each.stop)
        daemon = self.start(proxies.outrigger_config(upstreams))
        for verdict in play_all(cases, proxies.outrigger_lanes(upstreams, daemon), GUARD / 3):
            with self.subTest(verdict.case.name):
                if not verdict.conforms or verdict.ours is False:
                    self.fail(str(verdict))


class TableTest(Case):
    needs_binary = False

    def test_each_of_our_own_checks_has_a_case(self):
        checked = {number for _, cases in subjects() for case in cases for number in case.checks}
        self.assertEqual(set(), OWN_CHECKS - checked)

    def test_every_case_has_a_name_of_its_own(self):
        names = [case.name for _, cases in subjects() for case in cases]
        self.assertEqual(len(names), len(set(names)))


class StrictReaderTest(Case):
    """The upstream's own judgement of what it is sent: no reading but one."""

    needs_binary = False

    def read(self, data):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(data)
            theirs.shutdown(socket.SHUT_WR)
            reader = Reader(ours)
            request = reader.request_head()
            reader.request_body(request)
            return request, reader.buffer

    def test_a_request_is_read_to_its_end(self):
        for framing, body in ((b"Content-Length: 3", b"abc"),
                              (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n")):
            request, rest = self.read(b"POST /a HTTP/1.1\r\nHost: h\r\n" + framing +
                                      b"\r\n\r\n" + body + b"GET")
            self.assertEqual((b"abc", b"GET"), (request.body, rest))

    def test_whatever_has_two_readings_is_malformed(self):
        host = "POST / HTTP/1.1\r\nHost: h\r\n"
        for data in ("POST  / HTTP/1.1\r\nHost: h\r\n\r\n", "POST / HTTP/1.1\nHost: h\r\n\r\n",
                     "POST /a b HTTP/1.1\r\nHost: h\r\n\r\n", "POST / HTTP/1.1\r\n\r\n",
                     host + "Host: h\r\n\r\n", host + "A : b\r\n\r\n", host + "A: b\rc\r\n\r\n",
                     host + "A: b\n\r\n", host + "A: b\r\n c\r\n\r\n", host + "A: \0\r\n\r\n",
                     host + "Content-Length: +1\r\n\r\na", host + "Content-Length: 1, 1\r\n\r\na",
                     host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
                     host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                     host + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
                     host + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
                     host + "Transfer-Encoding: chunked\r\n\r\n0;a\r\n\r\n"):
            with self.subTest(data), self.assertRaises(Malformed):
                self.read(data.encode())

    def test_what_breaks_off_is_not_whole(self):
        for data in (b"GET / HT", b"GET / HTTP/1.1\r\nHost: h\r\n",
                     b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab"):
            with self.subTest(data), self.assertRaises(Broken):
                self.read(data)


def _add(subject, cases):
    def test(self):
        self.play(cases)
    setattr(ConformanceTest, f"test_{subject}", test)


for _subject, _cases in subjects():
    _add(_subject, _cases)
