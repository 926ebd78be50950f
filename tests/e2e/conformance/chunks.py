"""The chunked coding of requests (RFC 9112 7.1): sizes, extensions, ends."""

from .table import (ANY_ERROR, CLOSED, ENDED, HALF_CLOSE, SMUGGLED, UNFINISHED, Got, Outcome, case,
                    chunked, passed, refused)

ABC = passed("POST /", b"abc")
BROKEN = refused(*ANY_ERROR, seen=UNFINISHED, after=CLOSED)
REFUSED = refused(400, seen=UNFINISHED, after=CLOSED)


def sound(name, body, rfc="9112 7.1", check=()):
    return case(name, rfc, chunked(body), ABC, check=check)


def unsound(name, body, *choices, rfc="9112 7.1", check=()):
    return case(name, rfc, chunked(body), BROKEN, ENDED, *choices, ours=REFUSED, check=check)


CASES = [
    sound("several chunks", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
    case("chunks byte by byte", "9112 7.1",
         tuple(bytes([each]) for each in chunked(b"3\r\nabc\r\n0\r\n\r\n")), ABC),
    case("chunks in pieces", "9112 7.1",
         (chunked(b"2\r"), b"\nab\r\n", b"1", b"\r\nc", b"\r", b"\n0\r\n", b"\r", b"\n"), ABC),
    case("no chunk but the last", "9112 7.1", chunked(b"0\r\n\r\n"), passed("POST /", b"")),
    case("a size in capitals", "9112 7.1", chunked(b"A\r\n0123456789\r\n0\r\n\r\n"),
         passed("POST /", b"0123456789")),
    sound("leading zeros of a size", b"0003\r\nabc\r\n0\r\n\r\n"),
    sound("zeros as the last size", b"3\r\nabc\r\n000\r\n\r\n"),
    sound("an extension", b"3;a=b\r\nabc\r\n0\r\n\r\n", rfc="9112 7.1.1"),
    sound("an extension without a value", b"3;a;b\r\nabc\r\n0;c\r\n\r\n", rfc="9112 7.1.1"),
    sound("an extension in quotes", b'3;a="b;c"\r\nabc\r\n0\r\n\r\n', rfc="9112 7.1.1"),
    case("white space before an extension", "9112 7.1.1", chunked(b"3 ; a = b\r\nabc\r\n0\r\n\r\n"),
         ABC, BROKEN),
    unsound("an extension of 5,000 bytes", b"3;" + b"a" * 5000 + b"\r\nabc\r\n0\r\n\r\n", ABC,
            rfc="9112 7.1.1", check=12),
    unsound("extensions of 50,000 bytes in all", (b"1;" + b"a" * 200 + b"\r\na\r\n") * 250 +
            b"0\r\n\r\n", passed("POST /", b"a" * 250), rfc="9112 7.1.1", check=12),
    unsound("a size of a hundred zeros", b"0" * 100 + b"3\r\nabc\r\n0\r\n\r\n", ABC, check=12),
    unsound("a size of letters", b"xyz\r\nabc\r\n0\r\n\r\n"),
    unsound("a size with a tail", b"3g\r\nabc\r\n0\r\n\r\n"),
    unsound("an empty size", b"\r\nabc\r\n0\r\n\r\n"),
    unsound("a negative size", b"-3\r\nabc\r\n0\r\n\r\n"),
    unsound("a size with a sign", b"+3\r\nabc\r\n0\r\n\r\n"),
    unsound("a size in 0x", b"0x3\r\nabc\r\n0\r\n\r\n"),
    unsound("a size in quotes", b'"3"\r\nabc\r\n0\r\n\r\n'),
    unsound("a size with an underscore", b"0_3\r\nabc\r\n0\r\n\r\n"),
    unsound("a size before a comma", b"3,a\r\nabc\r\n0\r\n\r\n"),
    unsound("a size that overflows 64 bits to 3", b"10000000000000003\r\nabc\r\n0\r\n\r\n",
            check=12),
    case("a size above 32 bits is no small one", "9112 7.1",
         (chunked(b"100000003\r\nabc\r\n0\r\n\r\n"), HALF_CLOSE),
         Outcome((), UNFINISHED), Outcome((Got(ANY_ERROR),), UNFINISHED), check=12),
    unsound("a space before a size", b" 3\r\nabc\r\n0\r\n\r\n", ABC),
    unsound("a space after a size", b"3 \r\nabc\r\n0\r\n\r\n", ABC),
    unsound("a bare LF after a size", b"3\nabc\r\n0\r\n\r\n", ABC, check=1),
    unsound("a bare LF after the data", b"3\r\nabc\n0\r\n\r\n", ABC, check=1),
    unsound("a bare LF after the last size", b"3\r\nabc\r\n0\n\r\n", ABC, check=1),
    unsound("a bare LF at the very end", b"3\r\nabc\r\n0\r\n\n", ABC, check=1),
    unsound("a bare CR after a size", b"3\rabc\r\n0\r\n\r\n", check=1),
    unsound("a bare CR in an extension", b"3;a\rb\r\nabc\r\n0\r\n\r\n", rfc="9112 7.1.1", check=1),
    unsound("a bare LF in an extension", b"3;a\nabc\r\n0\r\n\r\n", ABC, rfc="9112 7.1.1", check=1),
    unsound("an LF in an extension hides a request", b"2;\nxx\r\n" + b"%x\r\n" % len(SMUGGLED) +
            SMUGGLED + b"\r\n0\r\n\r\n", passed("POST /", b"xx" + SMUGGLED), rfc="9112 7.1.1",
            check=1),
    unsound("a NUL in an extension", b"3;a\0\r\nabc\r\n0\r\n\r\n", ABC, rfc="9112 7.1.1"),
    unsound("data longer than its size", b"3\r\nabcX\r\n0\r\n\r\n"),
    unsound("no CRLF after the data", b"3\r\nabc0\r\n\r\n"),
    unsound("two CRs after the data", b"3\r\nabc\r\r\n0\r\n\r\n"),
    case("no last chunk", "9112 8", (chunked(b"3\r\nabc\r\n"), HALF_CLOSE),
         Outcome((), UNFINISHED), Outcome((Got(ANY_ERROR),), UNFINISHED)),
    case("a last chunk without its end", "9112 8", (chunked(b"3\r\nabc\r\n0\r\n"), HALF_CLOSE),
         Outcome((), UNFINISHED), Outcome((Got(ANY_ERROR),), UNFINISHED)),
    case("a chunk cut off", "9112 8", (chunked(b"9\r\nabc"), HALF_CLOSE),
         Outcome((), UNFINISHED), Outcome((Got(ANY_ERROR),), UNFINISHED)),
    case("chunks with GET", "9112 6.1",
         b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
         passed("GET /", b"abc"), refused(*ANY_ERROR, seen=UNFINISHED),
         ours=passed("GET /", b"abc"), check=17),
]
