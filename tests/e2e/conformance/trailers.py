"""Trailer fields (RFC 9110 6.5), TE and Trailer: passed on or dropped, never merged into a head."""

from .table import (ANY_ERROR, CLOSED, ENDED, UNFINISHED, answered, case, chunked, like,
                    passed, refused, request, response)

BROKEN = refused(*ANY_ERROR, seen=UNFINISHED, after=CLOSED)
REFUSED = refused(400, seen=UNFINISHED, after=CLOSED)


def abc(*trailers):
    return b"3\r\nabc\r\n0\r\n" + b"".join(each + b"\r\n" for each in trailers) + b"\r\n"


def dropped(name, trailer, rfc="9110 6.5.1", check=7):
    """It must not act as a field of the head; ours is not even passed on as a trailer."""
    return case(name, rfc, chunked(abc(trailer)),
                passed("POST /", b"abc", has={"Host": "h", "Content-Length": like("3?")},
                       lacks=("Authorization",)),
                BROKEN, ours=passed("POST /", b"abc", trailers={}), check=check)


def unsound(name, *trailers, check=()):
    return case(name, "9112 7.1.2", chunked(abc(*trailers)), BROKEN, ENDED,
                passed("POST /", b"abc"), ours=REFUSED, check=check)


def from_upstream(body):
    return response("Transfer-Encoding: chunked", body=body)


CASES = [
    case("a trailer", "9110 6.5", chunked(abc(b"X-Sum: 7"), "TE: trailers", "Trailer: X-Sum",
                                          "Connection: TE"),
         passed("POST /", b"abc", trailers={"x-sum": "7"}), passed("POST /", b"abc", trailers={}),
         ours=passed("POST /", b"abc", trailers={"x-sum": "7"})),
    case("a trailer in pieces", "9112 7.1.2",
         (chunked(b"3\r\nabc\r\n0\r"), b"\nX-", b"Sum: 7\r", b"\n\r", b"\n"),
         passed("POST /", b"abc"), check=7),
    dropped("a trailer Content-Length", b"Content-Length: 5"),
    dropped("a trailer Transfer-Encoding", b"Transfer-Encoding: chunked"),
    dropped("a trailer Host", b"Host: evil"),
    dropped("a trailer Authorization", b"Authorization: evil"),
    case("a trailer Connection: close ends nothing", "9110 6.5.1",
         chunked(abc(b"Connection: close")), passed("POST /", b"abc"), BROKEN,
         ours=passed("POST /", b"abc", trailers={}, after="open"), check=7),
    unsound("a bare LF in trailers", b"X-A: b\nX-B: c", check=1),
    unsound("a bare CR in a trailer", b"X-A: b\rc", check=1),
    unsound("a folded trailer", b"X-A: b", b" c", check=2),
    unsound("a trailer without a name", b": b", check=3),
    unsound("a trailer without a colon", b"XXX"),
    unsound("a space before a trailer's colon", b"X-A : b"),
    unsound("a NUL in a trailer", b"X-A: \0"),
    unsound("a trailer of 60,000 bytes", b"X-A: " + b"y" * 60_000, check=12),
    unsound("a thousand trailers", *[b"X: y"] * 1000, check=12),
    case("a response's trailer", "9110 6.5", request("TE: trailers", "Connection: TE"),
         answered(200, body=b"abc", trailers={"x-sum": "7"}),
         answered(200, body=b"abc", trailers={}),
         ours=answered(200, body=b"abc", trailers={"x-sum": "7"}),
         answer=response("Transfer-Encoding: chunked", "Trailer: X-Sum", body=abc(b"X-Sum: 7"))),
    case("a response's trailer to HTTP/1.0", "9112 7.1.2", request(version="HTTP/1.0"),
         answered(200, body=b"abc", lacks=("Transfer-Encoding",)),
         answer=from_upstream(abc(b"X-Sum: 7"))),
    case("a response's trailer Set-Cookie", "9110 6.5.1", request(),
         answered(200, body=b"abc", lacks=("Set-Cookie",)), ours=answered(200, trailers={}),
         answer=from_upstream(abc(b"Set-Cookie: a=b")), check=7),
    case("a response's trailer Content-Length", "9110 6.5.1", request(),
         answered(200, body=b"abc", has={"Content-Length": like("3?")}),
         ours=answered(200, trailers={}),
         answer=from_upstream(abc(b"Content-Length: 9")), check=7),
    case("Trailer that names what must not trail", "9110 6.6.2",
         chunked(abc(b"Content-Length: 5"), "Trailer: Content-Length"), passed("POST /", b"abc"),
         BROKEN, ours=passed("POST /", b"abc", trailers={})),
    case("a bare LF in a response's trailers", "9112 7.1.2", request(),
         answered(200, complete=False), answered(*range(500, 600)), answered(200, body=b"abc"),
         answer=(from_upstream(b"3\r\nabc\r\n0\r\nX-A: b\n\r\n"), "close"),
         ours=answered(200, 502, complete=False), check=1),
    case("TE: trailers is said with Connection", "9110 10.1.4",
         request("TE: trailers, gzip;q=0.5", "Connection: TE"),
         passed("GET /", has={"TE": "trailers", "Connection": like(r".*\bte\b.*")}),
         passed("GET /", lacks=("TE",)),
         ours=passed("GET /", has={"TE": "trailers", "Connection": like("te")}), check=14),
    case("TE of other codings ends here", "9110 10.1.4", request("TE: gzip", "Connection: TE"),
         passed("GET /", lacks=("TE",)), check=14),
]
