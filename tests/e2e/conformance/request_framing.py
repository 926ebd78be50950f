"""How long a request is (RFC 9112 6): Content-Length, Transfer-Encoding, and both."""

from .table import (ANY_ERROR, CLOSED, HALF_CLOSE, SMUGGLED, STRICT, UNFINISHED, Got, Outcome, case,
                    passed, post, refused, rejected, request)

ABC = passed("POST /", b"abc", has={"Content-Length": "3"}, lacks=("Transfer-Encoding",))
ABC_ANYHOW = passed("POST /", b"abc")
CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
LENGTH_OF_BOTH = f"Content-Length: {len(LAST_CHUNK + SMUGGLED)}"


def length(name, *values, choices=(), rfc="9112 6.3", body=b"abc", check=7):
    """Lengths that no reader can rely on: the answer must be 400, and the end."""
    return case(name, rfc, post(*[f"Content-Length: {each}" for each in values], body=body),
                refused(400, after=CLOSED), *choices, ours=STRICT, check=check)


def coding(name, *values, choices=(), status=(), rfc="9112 6.1", body=CHUNKS, check=6):
    return case(name, rfc, post(*[f"Transfer-Encoding: {each}" for each in values], body=body),
                rejected(*status, after=CLOSED), *choices,
                ours=refused(400, 501, after=CLOSED), check=check)


# 9112 6.1: rejected, or read as chunks; in any case the connection ends.
LENGTH_AND_CHUNKS = (rejected(after=CLOSED),
                     passed("POST /", b"", lacks=("Content-Length",), after=CLOSED))

CASES = [
    case("a body with a length", "9112 6.2", post("Content-Length: 3", body=b"abc"), ABC),
    case("a body in pieces", "9112 6.2",
         (post("Content-Length: 6", body=b"ab"), b"c", b"d", b"ef"), passed("POST /", b"abcdef")),
    case("a body of 100,000 bytes", "9112 6.2",
         post("Content-Length: 100000", body=b"x" * 100_000), passed("POST /", b"x" * 100_000)),
    case("an empty body", "9112 6.2", post("Content-Length: 0"), passed("POST /", b""),
         ours=passed("POST /", b"", has={"Content-Length": "0"})),
    case("POST without a length", "9112 6.3", post(), passed("POST /", b""), rejected(411),
         ours=passed("POST /", b"", has={"Content-Length": "0"})),
    case("leading zeros of a length", "9110 8.6", post("Content-Length: 0003", body=b"abc"),
         ABC_ANYHOW, rejected(400)),
    case("white space around a length", "9112 5", post("Content-Length: \t3 ", body=b"abc"), ABC,
         check=13),
    *[case(f"a body with {method}", "9110 9.3", request("Content-Length: 3", method=method,
                                                        body=b"abc"),
           passed(f"{method} /", b"abc"), rejected(400, 405, 413, after=CLOSED),
           ours=passed(f"{method} /", b"abc", has={"Content-Length": "3"}), check=17)
      for method in ("GET", "DELETE", "OPTIONS")],
    case("a body with HEAD", "9110 9.3.2",
         request("Content-Length: 3", method="HEAD", body=b"abc"), passed("HEAD /", b"abc"),
         rejected(after=CLOSED), ours=passed("HEAD /", b"abc"), check=17),
    case("a body with TRACE", "9110 9.3.8",
         request("Content-Length: 3", method="TRACE", body=b"abc"), rejected(),
         passed("TRACE /"), ours=STRICT, check=17),
    length("differing lengths", "3", "4"),
    length("a list of differing lengths", "3, 4"),
    length("the same length twice", "3", "3", choices=(ABC,), check=()),
    length("a list of the same length", "3, 3", choices=(ABC,)),
    length("a list with an empty element", "3,", choices=(ABC,)),
    length("a length with a sign", "+3"),
    length("a negative length", "-3"),
    length("a length in hex", "0x3"),
    length("a length with a tail", "3 3"),
    length("a length with a fraction", "3.0"),
    length("a length with a semicolon", "3;a"),
    length("a length in quotes", '"3"'),
    length("an empty length", "", choices=()),
    length("a length of letters", "three"),
    length("a length with a control character", "3\x0b"),
    length("a length that overflows 64 bits to 3", "18446744073709551619",
           choices=(rejected(413, after=CLOSED),)),
    length("a length of a thousand digits", "9" * 1000,
           choices=(rejected(413, 431, after=CLOSED),)),
    case("differing lengths in HTTP/1.0", "9112 6.3",
         post("Content-Length: 3", "Content-Length: 30", version="HTTP/1.0", body=b"abc"),
         refused(400, after=CLOSED), check=7),
    case("a body cut off", "9112 8", (post("Content-Length: 10", body=b"abc"), HALF_CLOSE),
         Outcome((), UNFINISHED), Outcome((Got(ANY_ERROR),), UNFINISHED)),
    case("chunks", "9112 7.1", post("Transfer-Encoding: chunked", body=CHUNKS), ABC_ANYHOW),
    case("the coding in capitals", "9112 7", post("Transfer-Encoding: CHUNKED", body=CHUNKS),
         ABC_ANYHOW),
    case("white space around the coding", "9112 5",
         post("Transfer-Encoding: \tchunked \t", body=CHUNKS), ABC_ANYHOW, check=13),
    coding("coding gzip", "gzip"),
    coding("coding gzip, chunked", "gzip, chunked"),
    coding("codings gzip and chunked on two lines", "gzip", "chunked"),
    coding("coding chunked, gzip", "chunked, gzip"),
    coding("coding chunked, chunked", "chunked, chunked"),
    coding("coding chunked on two lines", "chunked", "chunked"),
    coding("codings chunked and identity", "chunked", "identity"),
    coding("coding chunked, identity", "chunked, identity"),
    coding("coding identity", "identity", body=b""),
    coding("coding xchunked", "xchunked"),
    coding("coding chunke", "chunke"),
    coding("a coding in quotes", '"chunked"'),
    coding("a coding with a parameter", "chunked;q=1"),
    coding("a coding after a vertical tab", "\x0bchunked"),
    coding("a coding with a NUL", "chunked\0"),
    coding("an empty coding", "", body=b""),
    coding("a coding after an empty element", ",chunked", choices=(ABC_ANYHOW,)),
    coding("two codings parted by a space", "gzip chunked"),
    case("chunks in HTTP/1.0", "9112 6.1",
         post("Transfer-Encoding: chunked", version="HTTP/1.0", body=CHUNKS),
         rejected(after=CLOSED), passed("POST /", b"abc", after=CLOSED), ours=STRICT, check=6),
    case("a length, then chunks", "9112 6.1",
         post(LENGTH_OF_BOTH, "Transfer-Encoding: chunked", body=LAST_CHUNK + SMUGGLED),
         *LENGTH_AND_CHUNKS, ours=STRICT, check=6),
    case("chunks, then a length", "9112 6.1",
         post("Transfer-Encoding: chunked", LENGTH_OF_BOTH, body=LAST_CHUNK + SMUGGLED),
         *LENGTH_AND_CHUNKS, ours=STRICT, check=6),
    case("chunks, and a length of the size line", "9112 6.1",
         post("Transfer-Encoding: chunked", "Content-Length: 3",
              body=b"1c\r\n" + SMUGGLED[:28] + b"\r\n0\r\n\r\n"),
         rejected(after=CLOSED),
         passed("POST /", SMUGGLED[:28], lacks=("Content-Length",), after=CLOSED),
         ours=STRICT, check=6),
    case("a length and an empty coding", "9112 6.3",
         post("Content-Length: 3", "Transfer-Encoding:", body=b"abc"), rejected(after=CLOSED),
         ours=STRICT, check=6),
    case("a length and an unknown coding", "9112 6.3",
         post("Content-Length: 3", "Transfer-Encoding: x", body=b"abc"), rejected(after=CLOSED),
         ours=refused(400, 501, after=CLOSED), check=6),
    case("Transfer_Encoding is another field", "9110 5.1",
         post("Content-Length: 3", "Transfer_Encoding: chunked", body=b"abc"), ABC_ANYHOW),
]
