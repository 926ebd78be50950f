"""Header fields of requests: white space, folding, names, control characters, bounds."""

from .table import (HALF_CLOSE, NOTHING, STRICT, Outcome, case, like, passed, post, refused,
                    rejected, request)


def either(name, rfc, *fields, check=()):
    """Unsound; a lenient reader may pass it on without the field or with it mended."""
    return case(name, rfc, request(*fields), rejected(), passed("GET /"), ours=STRICT, check=check)


def forwarded(name, rfc, *fields, has):
    return case(name, rfc, request(*fields), passed("GET /", has=has))


CASES = [
    forwarded("an empty value", "9110 5.5", "X-A:", has={"X-A": ""}),
    forwarded("no space after the colon", "9112 5", "X-A:b", has={"X-A": "b"}),
    case("white space around a value", "9112 5", request("X-A: \t b c \t "),
         passed("GET /", has={"X-A": "b c"}), check=13),
    forwarded("bytes above 127 in a value", "9110 5.5", "X-A: \xe9", has={"X-A": "\xe9"}),
    forwarded("every character of a name", "9110 5.1", "!#$%&'*+-.^`|~09az: 1",
              has={"!#$%&'*+-.^`|~09az": "1"}),
    forwarded("an underscore in a name", "9110 5.1", "X_A: 1", has={"X_A": "1"}),
    forwarded("an unknown field", "9110 5.1", "Whatever: it, is; \"so,\"",
              has={"Whatever": "it, is; \"so,\""}),
    forwarded("a value of 4,000 bytes", "9110 5.4", "X-A: " + "y" * 4000, has={"X-A": "y" * 4000}),
    forwarded("fields of one name in order", "9110 5.3", "X-A: 1", "X-B: x", "X-A: 2", "x-a: 3",
              has={"X-A": like("1, 2, 3")}),
    forwarded("credentials", "9110 11.6.2", "Authorization: Basic YTpi",
              has={"Authorization": "Basic YTpi"}),
    case("90 fields", "9110 5.4", request(*[f"X-{i}: {i}" for i in range(90)]),
         passed("GET /", has={"X-0": "0", "X-89": "89"})),
    case("2,000 fields", "9110 5.4", request(*[f"X-{i}: {i}" for i in range(2000)]),
         passed("GET /"), rejected(), ours=refused(431), check=12),
    case("a field of 200,000 bytes", "9110 5.4", request("X-A: " + "y" * 200_000),
         passed("GET /"), rejected(), ours=refused(431), check=12),
    case("a field byte by byte", "9112 5", tuple(bytes([each]) for each in request("X-A: b")),
         passed("GET /", has={"X-A": "b"})),
    case("a space before the colon", "9112 5.1", request("X-A : b"), refused(400), ours=STRICT),
    case("a tab before the colon", "9112 5.1", request("X-A\t: b"), refused(400), ours=STRICT),
    case("a space before the colon of Content-Length", "9112 5.1",
         post("Content-Length : 3", body=b"abc"), refused(400), ours=STRICT),
    case("a space before the colon of Transfer-Encoding", "9112 5.1",
         post("Transfer-Encoding : chunked", body=b"0\r\n\r\n"), refused(400), ours=STRICT),
    either("an empty name", "9112 5", ": b", check=3),
    either("a space in a name", "9110 5.1", "X A: b"),
    either("a bracket in a name", "9110 5.1", "X-A[: b"),
    either("a byte above 127 in a name", "9110 5.1", "X-\xe9: b"),
    either("a NUL in a name", "9110 5.1", "X-A\0: b"),
    either("a line without a colon", "9112 5", "XXX"),
    case("a bare CR in a value", "9110 5.5", request("X-A: b\rc"), rejected(),
         passed("GET /", has={"X-A": "b c"}), ours=STRICT, check=1),
    case("a bare CR before a field that it hides", "9112 2.2",
         request("X-A: b\rTransfer-Encoding: chunked"), rejected(),
         passed("GET /", lacks=("Transfer-Encoding",)), ours=STRICT, check=1),
    case("a bare LF before a field that it hides", "9112 2.2",
         post("X-A: b\nContent-Length: 3", body=b"abc"), rejected(), passed("POST /", b"abc"),
         ours=STRICT, check=1),
    case("a NUL in a value", "9110 5.5", request("X-A: b\0c"), rejected(),
         passed("GET /", has={"X-A": "b c"}), ours=STRICT),
    *[either(f"control character {code:#04x} in a value", "9110 5.5", f"X-A: b{chr(code)}c")
      for code in (0x01, 0x08, 0x0b, 0x0c, 0x1b, 0x7f)],
    either("a folded line", "9112 5.2", "X-A: b", " c", check=2),
    either("a line folded with a tab", "9112 5.2", "X-A: b", "\tc", check=2),
    either("a fold of nothing but white space", "9112 5.2", "X-A: b", " \t ", check=2),
    case("a folded Content-Length", "9112 5.2", post("Content-Length:", " 3", body=b"abc"),
         rejected(), passed("POST /", b"abc"), ours=STRICT, check=2),
    case("a folded Transfer-Encoding", "9112 5.2",
         post("Transfer-Encoding:", " chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
         rejected(), passed("POST /", b"abc"), ours=STRICT, check=2),
    case("white space before the first field", "9112 2.2",
         b"GET / HTTP/1.1\r\n X-A: b\r\nHost: h\r\n\r\n", rejected(),
         passed("GET /", lacks=("X-A",)), ours=STRICT, check=2),
    case("a head that ends too soon", "9112 8", (b"GET / HTTP/1.1\r\nHost: h\r\n", HALF_CLOSE),
         Outcome((), NOTHING), rejected()),
]
