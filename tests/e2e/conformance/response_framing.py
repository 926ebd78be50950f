"""How long a response is (RFC 9112 6.3), and what the caller is told where it is cut short."""

from .table import (CLOSE, CLOSED, OK, OPEN, RESET, SIGNAL, UNTIL_SIGNAL, Outcome, UntilBytes,
                    answered, case, request, response)

BAD_GATEWAY = answered(*range(500, 600))
OURS = answered(502)
FINE = answered(200, body=b"ok")
CHUNKED = response("Transfer-Encoding: chunked")
CUT = answered(200, complete=False)
ENDED = Outcome((), None, CLOSED)


def sound(name, answer, rfc="9112 6.3", outcome=FINE, **more):
    return case(name, rfc, request(), outcome, answer=answer, **more)


def length(name, *values, choices=(), check=7, ours=OURS):
    return case(name, "9112 6.3", request(), answered(502), *choices, ours=ours, check=check,
                answer=(response(*[f"Content-Length: {each}" for each in values], body=b"ok"),
                        CLOSE))


def coding(name, *fields, choices=(), body=b"2\r\nok\r\n0\r\n\r\n", **more):
    return case(name, "9112 6.1", request(), BAD_GATEWAY, *choices, ours=OURS, check=6,
                answer=(response(*fields, body=body, **more), CLOSE))


def cut(name, data, end=CLOSE, version="HTTP/1.1", rfc="9112 8"):
    """The caller has `abc` before the upstream goes away."""
    return case(name, rfc, (request(version=version), UntilBytes(b"abc"), SIGNAL), CUT,
                answer=(data, UNTIL_SIGNAL, end))


def bodiless(name, status, answer, rfc="9112 6.3", method="GET", has=None, **more):
    """No body to the caller, and none of what came is taken for another response."""
    return case(name, rfc, request(method=method),
                answered(status, body=b"", has=has or {}, **more), answer=answer, check=5)


CASES = [
    sound("a response with a length", OK),
    sound("a response in chunks", CHUNKED + b"1\r\no\r\n1;a=b\r\nk\r\n0\r\n\r\n"),
    sound("a response that ends with its connection", (response(body=b"ok"), CLOSE),
          ours=answered(200, body=b"ok", has={"Transfer-Encoding": "chunked"}, after=OPEN)),
    sound("an HTTP/1.0 response that ends with its connection",
          (response(version="HTTP/1.0", body=b"ok"), CLOSE)),
    sound("a response of 300,000 bytes",
          response("Content-Length: 300000", body=b"x" * 300_000),
          outcome=answered(200, body=b"x" * 300_000)),
    sound("a response with an empty body", response("Content-Length: 0"),
          outcome=answered(200, body=b"")),
    case("chunks to an HTTP/1.0 caller", "9112 6.1", request(version="HTTP/1.0"),
         answered(200, body=b"ok", lacks=("Transfer-Encoding",)),
         answer=CHUNKED + b"2\r\nok\r\n0\r\n\r\n"),
    case("a length to an HTTP/1.0 caller", "9112 6.2", request(version="HTTP/1.0"),
         answered(200, body=b"ok", has={"Content-Length": "2"}), answer=OK),
    length("differing lengths of a response", "2", "3"),
    length("a list of differing lengths of a response", "2, 3"),
    length("the same length of a response twice", "2", "2", choices=(FINE,), ours=None),
    length("a list of the same length of a response", "2, 2", choices=(FINE,), ours=None),
    length("a negative length of a response", "-2"),
    length("a length of a response with a sign", "+2"),
    length("a length of a response in hex", "0x2"),
    length("an empty length of a response", ""),
    length("a length of a response with a tail", "2 2"),
    length("a length of a response that overflows to 2", "18446744073709551618"),
    coding("a response with a length and chunks", "Content-Length: 12",
           "Transfer-Encoding: chunked", choices=(FINE,)),
    coding("a response in coding gzip, chunked", "Transfer-Encoding: gzip, chunked"),
    coding("a response in chunks twice", "Transfer-Encoding: chunked, chunked"),
    coding("a response in chunks on two lines", "Transfer-Encoding: chunked",
           "Transfer-Encoding: chunked"),
    coding("a response in an unknown coding", "Transfer-Encoding: x", "Content-Length: 2",
           body=b"ok"),
    coding("chunks in an HTTP/1.0 response", "Transfer-Encoding: chunked", version="HTTP/1.0",
           choices=(FINE,)),
    bodiless("HEAD, and a length", 200, response("Content-Length: 5"), method="HEAD",
             rfc="9110 9.3.2", has={"Content-Length": "5"}),
    bodiless("HEAD, and chunks", 200, CHUNKED, method="HEAD", rfc="9110 9.3.2"),
    bodiless("HEAD, and no word of a length", 200, response(), method="HEAD", rfc="9110 9.3.2"),
    bodiless("HEAD, and a body that must not be", 200, OK, method="HEAD", rfc="9110 9.3.2"),
    bodiless("HEAD, and a whole response too many", 200,
             response("Content-Length: 5") + response("Content-Length: 4", body=b"evil"),
             method="HEAD", rfc="9110 9.3.2"),
    bodiless("HEAD, and an HTTP/1.0 response", 200, response(version="HTTP/1.0"), method="HEAD",
             rfc="9110 9.3.2"),
    bodiless("204", 204, response(status="204 No Content"), rfc="9110 15.3.5"),
    bodiless("204 with a length", 204, response("Content-Length: 0", status="204 No Content"),
             rfc="9110 8.6", lacks=("Content-Length",)),
    bodiless("204 with a body", 204,
             response("Content-Length: 2", status="204 No Content", body=b"ok"),
             rfc="9110 8.6", lacks=("Content-Length",)),
    bodiless("204 in chunks", 204,
             response("Transfer-Encoding: chunked", status="204 No Content", body=b"0\r\n\r\n"),
             rfc="9112 6.1", lacks=("Transfer-Encoding",)),
    bodiless("304 with a length", 304, response("Content-Length: 5", status="304 Not Modified"),
             rfc="9110 15.4.5"),
    bodiless("304 with a body", 304,
             response("Content-Length: 2", status="304 Not Modified", body=b"ok"),
             rfc="9110 15.4.5"),
    bodiless("304 in chunks", 304,
             response("Transfer-Encoding: chunked", status="304 Not Modified"), rfc="9110 15.4.5"),
    cut("a length cut short", response("Content-Length: 10", body=b"abc")),
    cut("a length cut short by a reset", response("Content-Length: 10", body=b"abc"), RESET),
    cut("chunks cut short", CHUNKED + b"3\r\nabc\r\n"),
    cut("chunks cut short by a reset", CHUNKED + b"3\r\nabc\r\n", RESET),
    cut("a chunk cut short", CHUNKED + b"9\r\nabc"),
    cut("a last chunk cut short", CHUNKED + b"3\r\nabc\r\n0\r\n"),
    cut("a length cut short for HTTP/1.0", response("Content-Length: 10", body=b"abc"),
        version="HTTP/1.0"),
    cut("a reset in place of the end", response(body=b"abc"), RESET),
    cut("a reset in place of the end for HTTP/1.0", response(body=b"abc"), RESET,
        version="HTTP/1.0"),
    case("chunks cut short for HTTP/1.0", "9112 8",
         (request(version="HTTP/1.0"), UntilBytes(b"abc"), SIGNAL), CUT, answered(200, body=b"abc"),
         answer=(CHUNKED + b"3\r\nabc\r\n", UNTIL_SIGNAL, CLOSE), ours=CUT),
    *[case(f"a response's chunk: {name}", "9112 7.1", request(), CUT, BAD_GATEWAY, ENDED,
           answer=(CHUNKED + b"3\r\nabc\r\n" + bad, CLOSE), ours=CUT)
      for name, bad in (("a size of letters", b"zz\r\n"), ("a negative size", b"-1\r\n"),
                        ("an overflow", b"fffffffffffffffff\r\n"), ("an empty size", b"\r\n"),
                        ("a size in 0x", b"0x1\r\na\r\n0\r\n\r\n"))],
    case("a response's chunk without its end", "9112 7.1", request(), CUT, BAD_GATEWAY, ENDED,
         answer=(CHUNKED + b"3\r\nabcX\r\n0\r\n\r\n", CLOSE), ours=CUT),
    case("a bare LF in a response's chunk size", "9112 7.1", request(), CUT, BAD_GATEWAY, FINE,
         answer=(CHUNKED + b"2\nok\r\n0\r\n\r\n", CLOSE), ours=answered(200, complete=False),
         check=1),
    case("no response", "9112 8", request(), BAD_GATEWAY, ours=OURS, answer=(CLOSE,)),
    case("a reset in place of a response", "9112 8", request(), BAD_GATEWAY, ours=OURS,
         answer=(RESET,)),
    case("half a head", "9112 8", request(), BAD_GATEWAY, ours=OURS,
         answer=(b"HTTP/1.1 200 OK\r\nConte", CLOSE)),
    case("a caller's connection outlives a failed upstream", "9112 9.3", request(),
         BAD_GATEWAY, ours=answered(502, after=OPEN), answer=(CLOSE,)),
]
