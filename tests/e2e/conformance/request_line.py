"""Request lines: their ends, the spaces between their parts, methods, versions."""

from .table import (ANY_ERROR, CLOSED, NOTHING, STRICT, Outcome, case, lines, passed, refused,
                    rejected, request)

GET = passed("GET /")


def line(text, end=b"\r\nHost: h\r\n\r\n"):
    return text.encode("latin-1") + end


def either(name, rfc, send, *or_passed, check=()):
    """Unsound, but a lenient reader may take it; we do not."""
    return case(name, rfc, send, rejected(), *or_passed, ours=STRICT, check=check)


CASES = [
    case("a plain request", "9112 3", request(), GET),
    case("a request line byte by byte", "9112 3", tuple(bytes([each]) for each in request()), GET),
    *[case(f"method {method}", "9110 9.1", request(method=method), passed(f"{method} /"))
      for method in ("DELETE", "OPTIONS", "PATCH", "PUT", "PROPFIND")],
    case("an unknown method", "9110 9.1", request(method="BREW"),
         rejected(501, 405, 400, 403), passed("BREW /"), ours=refused(501), check=18),
    case("a method in lower case is not GET", "9110 9.1", request(method="get"),
         rejected(), passed("get /"), ours=refused(501), check=18),
    case("a method that is no token", "9110 9.1", request(method="G(T"), rejected(), check=18),
    either("an empty method", "9112 3.1", line(" / HTTP/1.1")),
    case("a method of 5,000 letters", "9112 3.1", request(method="A" * 5000),
         rejected(), passed("A" * 5000 + " /")),
    case("an empty line before", "9112 2.2", b"\r\n" + request(), GET, rejected(), ours=GET,
         check=9),
    case("a hundred empty lines before", "9112 2.2", b"\r\n" * 100 + request(), GET, rejected(),
         ours=STRICT, check=9),
    either("bare LF everywhere", "9112 2.2", b"GET / HTTP/1.1\nHost: h\n\n", GET, check=1),
    either("bare LF after the request line", "9112 2.2", b"GET / HTTP/1.1\nHost: h\r\n\r\n", GET,
           check=1),
    either("bare LF after a field", "9112 2.2", b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", GET,
           check=1),
    either("bare LF as the empty line", "9112 2.2", b"GET / HTTP/1.1\r\nHost: h\r\n\n", GET,
           check=1),
    either("a bare CR in the request line", "9112 2.2", line("GET /\r HTTP/1.1"), check=1),
    either("a bare CR as the end of the request line", "9112 2.2",
           b"GET / HTTP/1.1\rHost: h\r\n\r\n", check=1),
    either("two spaces after the method", "9112 3", line("GET  / HTTP/1.1"), GET, check=9),
    either("two spaces before the version", "9112 3", line("GET /  HTTP/1.1"), GET, check=9),
    either("a tab after the method", "9112 3", line("GET\t/ HTTP/1.1"), GET, check=9),
    either("a space after the version", "9112 3", line("GET / HTTP/1.1 "), GET, check=9),
    either("a space before the method", "9112 3", line(" GET / HTTP/1.1"), GET, check=9),
    either("a vertical tab after the method", "9112 3", line("GET\v/ HTTP/1.1"), GET, check=9),
    either("a space in the target", "9112 3.2", line("GET /a b HTTP/1.1"), check=9),
    either("no target", "9112 3.2", line("GET HTTP/1.1")),
    case("version 0.9", "9110 2.5", request(version="HTTP/0.9"), rejected(),
         ours=refused(505, after=CLOSED), check=8),
    case("version 1.2", "9110 2.5", request(version="HTTP/1.2"), GET, rejected(),
         ours=refused(505), check=8),
    case("version 2.0", "9110 15.6.6", request(version="HTTP/2.0"), rejected(505, 400),
         ours=refused(505), check=(8, 18)),
    case("version 9.9", "9110 15.6.6", request(version="HTTP/9.9"), rejected(505, 400),
         ours=refused(505), check=8),
    case("a version in lower case", "9112 2.3", request(version="http/1.1"), rejected(),
         check=8),
    case("a version of two digits", "9112 2.3", request(version="HTTP/1.10"), rejected(), check=8),
    case("a version of one part", "9112 2.3", request(version="HTTP/1"), rejected(), check=8),
    case("another protocol's name", "9112 2.3", request(version="HTPP/1.1"), rejected(), check=8),
    case("RTSP", "9112 2.3", request(version="RTSP/1.0"), rejected(), check=8),
    case("ICE", "9112 2.3", request(version="ICE/1.0", method="SOURCE"), rejected(), check=8),
    case("what begins like the preface of HTTP/2", "9112 2.3",
         request(method="PRI", target="*", version="HTTP/2.0"), rejected()),
    case("a TLS hello", "9112 2.2", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 20 +
         b"\r\n\r\n", rejected(), Outcome((), NOTHING, CLOSED), ours=STRICT),
    case("a line of nonsense", "9112 2.2", b"hello there\r\n\r\n", rejected(),
         ours=STRICT, check=20),
    case("a refusal is read although more is on its way", "9112 9.6",
         lines("GET / HTTP/1.1", "Host: h", "X-A : b", body=b"x" * 200_000), refused(*ANY_ERROR),
         ours=STRICT, check=20),
    case("a NUL in the request line", "9112 3", line("GET /\0 HTTP/1.1"), rejected(), check=11),
    case("CONNECT to an authority", "9110 9.3.6", request(method="CONNECT", target="h:443"),
         rejected(), passed("CONNECT h:443"), ours=refused(501), check=10),
    case("CONNECT with a path", "9112 3.2.3", request(method="CONNECT"),
         rejected(), ours=refused(501), check=10),
]
