"""Upstreams that answer too soon, too much, or unasked."""

from .table import (CLOSE, EARLY, OK, OPEN, READ, READ_BODY, SIGNAL, UNTIL_GONE, UNTIL_SIGNAL, Seen,
                    answered, case, got, in_order, post, request, response)

EVIL = response("Content-Length: 4", body=b"evil")
TOO_MUCH = response("Content-Length: 8", status="413 Content Too Large", body=b"too much")
TWICE = in_order(got(200, body=b"ok"), got(200, body=b"ok"))


def second_is_right(name, rfc, first):
    """Whatever the first answer brings along, the second is the second request's."""
    return case(name, rfc, (request(target="/a"), READ, UNTIL_GONE, request(target="/b")), TWICE,
                ours=in_order(got(200, body=b"ok"), got(200, body=b"ok"), after=OPEN),
                answer=[first, OK], check=15)


CASES = [
    case("an answer before the body", "9110 7.5",
         (post("Content-Length: 6", body=b"abc"), READ), answered(413, body=b"too much"),
         answer=(EARLY, TOO_MUCH), probe=False),
    case("an answer before the body, and the end", "9112 9.5",
         (post("Content-Length: 100000", body=b"abc"), READ), answered(413, body=b"too much"),
         answer=(EARLY, TOO_MUCH, CLOSE), probe=False),
    case("an answer before the body, which then comes", "9112 9.5",
         (post("Content-Length: 6", body=b"abc"), READ, b"def"), answered(413, body=b"too much"),
         answer=(EARLY, TOO_MUCH, READ_BODY)),
    case("an answer before the last chunk, which then comes", "9112 9.5",
         (post("Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"), READ, b"0\r\n\r\n"),
         answered(413, body=b"too much"), answer=(EARLY, TOO_MUCH, READ_BODY)),
    case("an early answer does not mix with the next request", "9112 9.3",
         (post("Content-Length: 10", body=b"GET /"), READ, b"evil " + request(target="/b")),
         in_order(got(200, body=b"ok"), got(200, body=b"ok"),
                  seen=(Seen("POST /", b"GET /evil "), Seen("GET /b"))),
         in_order(got(200, body=b"ok"), got(200, body=b"ok"), seen=(Seen("GET /b"),)),
         answered(200, body=b"ok"), answer=(EARLY, OK, READ_BODY)),
    second_is_right("more bytes than the length", "9112 6.3",
                    (response("Content-Length: 2", body=b"ok" + EVIL),)),
    second_is_right("more bytes after the last chunk", "9112 7.1",
                    (response("Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\n\r\n" + EVIL),)),
    second_is_right("an empty line after the length", "9112 2.2",
                    (response("Content-Length: 2", body=b"ok\r\n"),)),
    second_is_right("two responses", "9112 9.3", (OK + EVIL,)),
    case("a response nobody asked for", "9110 3.4",
         (request(target="/a"), READ, SIGNAL, UNTIL_GONE, request(target="/b")), TWICE,
         answer=[(OK, UNTIL_SIGNAL, EVIL), OK],
         ours=in_order(got(200, body=b"ok"), got(200, body=b"ok"), after=OPEN), check=15),
    case("408 on an idle connection", "9110 15.5.9",
         (request(target="/a"), READ, SIGNAL, UNTIL_GONE, request(target="/b")), TWICE,
         answer=[(OK, UNTIL_SIGNAL, response("Connection: close", status="408 Request Timeout"),
                  CLOSE), OK], check=15),
    case("an idle connection that closes", "9112 9.5",
         (request(target="/a"), READ, SIGNAL, UNTIL_GONE, request(target="/b")), TWICE,
         answer=[(OK, UNTIL_SIGNAL, CLOSE), OK]),
    case("half a response nobody asked for", "9110 3.4",
         (request(target="/a"), READ, SIGNAL, UNTIL_GONE, request(target="/b")), TWICE,
         answer=[(OK, UNTIL_SIGNAL, b"HTTP/1.1 200 OK\r\nX-A: "), OK], check=15),
    case("a body after 204 is not the next answer", "9110 15.3.5",
         (request(target="/a"), READ, UNTIL_GONE, request(target="/b")),
         in_order(got(204, body=b""), got(200, body=b"ok")), check=(5, 15),
         answer=[response("Content-Length: 46", status="204 No Content", body=EVIL), OK]),
    case("a body for HEAD is not the next answer", "9110 9.3.2",
         (request(target="/a", method="HEAD"), READ, UNTIL_GONE, request(target="/b")),
         in_order(got(200, body=b""), got(200, body=b"ok")), check=(5, 15),
         answer=[response("Content-Length: 46", body=EVIL), OK]),
    case("a body after 304 is not the next answer", "9110 15.4.5",
         (request(target="/a"), READ, UNTIL_GONE, request(target="/b")),
         in_order(got(304, body=b""), got(200, body=b"ok")), check=(5, 15),
         answer=[response("Content-Length: 46", status="304 Not Modified", body=EVIL), OK]),
    case("bytes after a refused 101 are not the next answer", "9110 15.2.2",
         (request(target="/a"), READ, UNTIL_GONE, request(target="/b")),
         in_order(got(*range(500, 600)), got(200, body=b"ok")), check=(5, 15),
         answer=[response("Connection: Upgrade", "Upgrade: x", status="101 Switching Protocols") +
                 EVIL, OK]),
]
