"""What a proxy adds, keeps and counts: Via, Max-Forwards, Date, versions, the rest untouched."""

from .table import (ANY_ERROR, NOTHING, OK, OPEN, Got, Outcome, answered, case, got, like, passed,
                    post, request, response)

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
# IMF-fixdate
SOME_DATE = like(r"(mon|tue|wed|thu|fri|sat|sun), \d\d [a-z]{3} \d{4} \d\d:\d\d:\d\d GMT")
# Answered by the proxy as the last recipient; one that does not serve TRACE may say so.
BY_ITSELF = Outcome((Got((*range(200, 300), 405, 501)),), NOTHING)


def counted(name, method, value, *outcomes, target="/", **more):
    return case(name, "9110 7.6.2", request(f"Max-Forwards: {value}", method=method, target=target),
                *outcomes, **more)


def untouched(name, rfc, *fields, status="200 OK", has=None, body=b"ok", **more):
    """A response that is passed on as it is."""
    length = () if status.startswith(("204", "304")) else (f"Content-Length: {len(body)}",)
    return case(name, rfc, request(), answered(int(status[:3]), has=has or {}, **more),
                answer=response(*fields, *length, status=status, body=body if length else b""))


CASES = [
    case("Via of a request", "9110 7.6.3", request(),
         passed("GET /", has={"Via": like(r"1\.1 \S+")}), via=True),
    case("no Via where it is not asked for", "9110 7.6.3", request(), passed("GET /"),
         ours=passed("GET /", lacks=("Via",))),
    case("Via goes after the others", "9110 7.6.3", request("Via: 1.0 first", "Via: 1.1 second"),
         passed("GET /", has={"Via": like(r"1\.0 first, 1\.1 second, 1\.1 \S+")}), via=True),
    case("Via tells of HTTP/1.0", "9110 7.6.3", request(version="HTTP/1.0"),
         passed("GET /", has={"Via": like(r"1\.0 \S+")}), via=True),
    case("Via of a response", "9110 7.6.3", request(), answered(200),
         ours=answered(200, has={"Via": like(r"1\.1 first, 1\.1 \S+")}), via=True,
         answer=response("Via: 1.1 first", "Content-Length: 0")),
    counted("OPTIONS with Max-Forwards: 0 ends here", "OPTIONS", 0,
            Outcome((got(*range(200, 300)),), NOTHING),
            ours=Outcome((got(200, 204),), NOTHING, OPEN)),
    counted("OPTIONS * with Max-Forwards: 0 ends here", "OPTIONS", 0,
            Outcome((got(*range(200, 300)),), NOTHING), target="*"),
    counted("OPTIONS with Max-Forwards: 1", "OPTIONS", 1,
            passed("OPTIONS /", has={"Max-Forwards": "0"})),
    counted("OPTIONS with Max-Forwards: 10", "OPTIONS", 10,
            passed("OPTIONS /", has={"Max-Forwards": "9"})),
    counted("OPTIONS with a huge Max-Forwards", "OPTIONS", "9" * 30,
            passed("OPTIONS /", has={"Max-Forwards": like(r"\d{1,29}|9{29}8")})),
    counted("OPTIONS with a Max-Forwards that is no number", "OPTIONS", "x",
            passed("OPTIONS /"), Outcome((Got(ANY_ERROR),), NOTHING)),
    counted("TRACE with Max-Forwards: 0 ends here", "TRACE", 0, BY_ITSELF),
    counted("TRACE with Max-Forwards: 3", "TRACE", 3,
            passed("TRACE /", has={"Max-Forwards": "2"}), BY_ITSELF,
            ours=passed("TRACE /", has={"Max-Forwards": "2"})),
    case("TRACE that ends here tells no secrets", "9110 9.3.8",
         request("Max-Forwards: 0", "Cookie: a=secret", "Authorization: secret", "X-A: shown",
                 method="TRACE"),
         Outcome((got(*range(200, 300), has={"Content-Type": like("message/http.*")}),), NOTHING),
         Outcome((got(405, 501),), NOTHING)),
    counted("GET does not count Max-Forwards", "GET", 0, passed("GET /")),
    untouched("Date of the upstream", "9110 6.6.1", f"Date: {DATE}", has={"Date": DATE}),
    untouched("no Date of the upstream", "9110 6.6.1", has={"Date": SOME_DATE}),
    untouched("no Date of the upstream's 304", "9110 6.6.1", status="304 Not Modified",
              has={"Date": SOME_DATE}),
    untouched("no Date of the upstream's 500", "9110 6.6.1", status="500 Oops",
              has={"Date": SOME_DATE}),
    case("Date of a refusal", "9110 6.6.1", request("X-A : b"),
         Outcome((Got((400,), has={"Date": SOME_DATE}),), NOTHING)),
    case("an HTTP/1.0 request goes on as 1.1", "9110 2.5", request(version="HTTP/1.0"),
         passed("GET /", version="HTTP/1.1"), check=19),
    case("an HTTP/1.0 response goes on as 1.1", "9110 2.5", request(),
         answered(200, body=b"ok", version="HTTP/1.1"), check=19,
         answer=(response("Content-Length: 2", version="HTTP/1.0", body=b"ok"), "close")),
    case("fields are written anew", "9112 5", b"GET / HTTP/1.1\r\nhost:h\r\nx-a:  b  \r\n\r\n",
         passed("GET /", has={"Host": "h", "X-A": "b"}), check=19),
    case("a response's fields are written anew", "9112 5", request(),
         answered(200, has={"X-A": "b", "X-B": ""}), check=19,
         answer=response("x-a:b \t", "X-B:", "content-length:2", body=b"ok")),
    untouched("a response's fields of one name in order", "9110 5.3", "Set-Cookie: a=1", "X-A: 1",
              "Set-Cookie: b=2", "X-A: 2",
              has={"Set-Cookie": like("a=1, b=2"), "X-A": like("1, 2")}),
    untouched("Server and ETag", "9110 7.7", "Server: s", 'ETag: "x"', has={"ETag": '"x"'}),
    untouched("an unknown status", "9110 15", status="299 Odd", body=b"odd"),
    untouched("a partial response", "9110 15.3.7", "Content-Range: bytes 0-1/5",
              status="206 Partial Content", has={"Content-Range": "bytes 0-1/5"}),
    untouched("a redirect", "9110 15.4", "Location: http://u/x", status="302 Found",
              has={"Location": "http://u/x"}),
    untouched("a challenge", "9110 11.6.1", "WWW-Authenticate: Basic realm=\"r\"",
              status="401 Unauthorized", has={"WWW-Authenticate": 'Basic realm="r"'}),
    untouched("a coded content", "9110 7.7", "Content-Encoding: gzip", body=b"\x1f\x8b\0\xff",
              has={"Content-Encoding": "gzip"}),
    case("a range and conditions", "9110 14.2",
         request("Range: bytes=0-1", 'If-Range: "x"', "If-Modified-Since: " + DATE),
         passed("GET /", has={"Range": "bytes=0-1", "If-Range": '"x"', "If-Modified-Since": DATE}),
         answer=OK),
    case("a body of every byte", "9110 7.7",
         post("Content-Length: 256", "Content-Type: x/y", body=bytes(range(256))),
         passed("POST /", bytes(range(256)), has={"Content-Type": "x/y"})),
]
