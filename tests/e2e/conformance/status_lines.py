"""Status lines and heads of responses (RFC 9112 4, 5)."""

from .table import CLOSE, answered, case, lines, request, response

BAD_GATEWAY = answered(*range(500, 600))
OURS = answered(502)
FINE = answered(200, body=b"ok")


def line(text, end=b"\r\nContent-Length: 2\r\n\r\nok"):
    return (text.encode("latin-1") + end, CLOSE)


def sound(name, text, rfc="9112 4", **more):
    return case(name, rfc, request(), FINE, answer=line(text), **more)


def unsound(name, text, *choices, rfc="9112 4", check=4):
    return case(name, rfc, request(), BAD_GATEWAY, *choices, answer=line(text), ours=OURS,
                check=check)


def field(name, rfc, text, *choices, check=()):
    return case(name, rfc, request(), BAD_GATEWAY, *choices, ours=OURS, check=check,
                answer=(lines("HTTP/1.1 200 OK", text, "Content-Length: 2", body=b"ok"), CLOSE))


CASES = [
    sound("a status line", "HTTP/1.1 200 OK"),
    sound("an empty reason", "HTTP/1.1 200 "),
    sound("a reason of several words", "HTTP/1.1 200 All is well, I think", check=16),
    sound("a reason of bytes above 127", "HTTP/1.1 200 \xe9t\xe9", check=16),
    case("no space after the status", "9112 4", request(), FINE, BAD_GATEWAY,
         answer=line("HTTP/1.1 200")),
    case("a response byte by byte", "9112 4", request(), FINE,
         answer=tuple(bytes([each]) for each in response("Content-Length: 2", body=b"ok"))),
    unsound("a status of two digits", "HTTP/1.1 20 OK"),
    unsound("a status of four digits", "HTTP/1.1 2000 OK"),
    unsound("status 099", "HTTP/1.1 099 OK"),
    unsound("status 000", "HTTP/1.1 000 OK"),
    unsound("status 600", "HTTP/1.1 600 OK", answered(600), rfc="9110 15"),
    unsound("status 999", "HTTP/1.1 999 OK", answered(999), rfc="9110 15"),
    unsound("a status of letters", "HTTP/1.1 abc OK"),
    unsound("a status with a sign", "HTTP/1.1 +20 OK"),
    unsound("no status", "HTTP/1.1"),
    unsound("two spaces before the status", "HTTP/1.1  200 OK", FINE),
    unsound("a tab before the status", "HTTP/1.1\t200 OK", FINE),
    unsound("a space before the status line", " HTTP/1.1 200 OK", FINE),
    unsound("a NUL in the reason", "HTTP/1.1 200 O\0K", FINE, check=16),
    unsound("a bare CR in the reason", "HTTP/1.1 200 O\rK", FINE, check=(1, 16)),
    unsound("version 2.0 of a response", "HTTP/2.0 200 OK", FINE, check=8),
    unsound("version 1.2 of a response", "HTTP/1.2 200 OK", FINE, rfc="9110 2.5", check=8),
    unsound("a response's version in lower case", "http/1.1 200 OK", check=8),
    unsound("ICY", "ICY 200 OK", check=8),
    unsound("a banner", "SSH-2.0-OpenSSH_9.2", check=8),
    case("nothing of HTTP", "9112 4", request(), BAD_GATEWAY, ours=OURS,
         answer=(b"hello\r\n\r\n", CLOSE)),
    case("a TLS alert", "9112 4", request(), BAD_GATEWAY, ours=OURS,
         answer=(b"\x15\x03\x01\0\x02\x02\x46", CLOSE)),
    case("bare LF everywhere in a response", "9112 2.2", request(), FINE, BAD_GATEWAY, ours=OURS,
         answer=(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", CLOSE), check=1),
    case("bare LF after a response's field", "9112 2.2", request(), FINE, BAD_GATEWAY, ours=OURS,
         answer=(b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\r\nok", CLOSE), check=1),
    field("a folded line of a response", "9112 5.2", "X-A: b\r\n c", FINE, check=2),
    field("a space before a response's colon", "9112 5.1", "X-A : b", FINE),
    field("an empty name of a response", "9112 5", ": b", FINE, check=3),
    field("a space in a response's name", "9110 5.1", "X A: b", FINE),
    field("a NUL in a response's value", "9110 5.5", "X-A: b\0c", FINE),
    field("a bare CR in a response's value", "9110 5.5", "X-A: b\rc", FINE, check=1),
    field("a response's line without a colon", "9112 5", "XXX", FINE),
    case("a response's head of 2,000,000 bytes", "9110 5.4", request(), FINE, BAD_GATEWAY,
         answer=(response("X-A: " + "x" * 2_000_000, "Content-Length: 2", body=b"ok"), CLOSE),
         ours=OURS, check=12),
    case("a response with 5,000 fields", "9110 5.4", request(), FINE, BAD_GATEWAY, ours=OURS,
         answer=(response(*["X-A: b"] * 5000, "Content-Length: 2", body=b"ok"), CLOSE), check=12),
]
