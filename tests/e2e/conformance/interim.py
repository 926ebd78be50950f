"""Responses 1xx (RFC 9110 15.2)."""

from .table import CLOSE, OK, Outcome, answered, case, got, lines, request, response

HINTS = response("Link: </a.css>; rel=preload", status="103 Early Hints")
BAD_GATEWAY = answered(*range(500, 600))


def passed_on(name, first, *statuses, **more):
    return case(name, "9110 15.2", request(), answered(200, body=b"ok", interim=statuses),
                answer=(first + OK,), **more)


CASES = [
    passed_on("103", HINTS, 103),
    passed_on("103 twice", HINTS * 2, 103, 103),
    passed_on("102", response(status="102 Processing"), 102),
    passed_on("an unknown 1xx", response(status="199 Odd"), 199),
    passed_on("sixteen 103", HINTS * 16, *[103] * 16, check=12),
    case("seventeen 103", "9110 15.2", request(),
         Outcome((got(*range(500, 600), interim=None),)),
         answered(200, body=b"ok", interim=(103,) * 17), answer=(HINTS * 17 + OK,),
         ours=Outcome((got(502, interim=(103,) * 16),)), check=12),
    case("103 with a pause after it", "9110 15.2", request(),
         answered(200, body=b"ok", interim=(103,)), answer=(HINTS, b"HTTP/1.1 200 OK\r\n",
                                                            b"Content-Length: 2\r\n\r\nok")),
    case("no 1xx to HTTP/1.0", "9110 15.2", request(version="HTTP/1.0"),
         answered(200, body=b"ok", interim=()), answer=(HINTS + OK,), check=5),
    case("103 for HEAD", "9110 15.2", request(method="HEAD"),
         answered(200, body=b"", interim=(103,)), answer=(HINTS + response("Content-Length: 2"),)),
    case("103 with a length has no body", "9110 15.2", request(),
         answered(200, body=b"ok", interim=(103,)), BAD_GATEWAY, check=5,
         answer=(response("Content-Length: 5", status="103 Early Hints") + OK,)),
    case("103 with chunks has no body", "9110 15.2", request(),
         answered(200, body=b"ok", interim=(103,)), BAD_GATEWAY, check=5,
         answer=(response("Transfer-Encoding: chunked", status="103 Early Hints") + OK,)),
    case("103 and then nothing", "9110 15.2", request(),
         Outcome((got(*range(500, 600), interim=None),)), answer=(HINTS, CLOSE)),
    case("1xx with a folded line", "9112 5.2", request(), BAD_GATEWAY,
         answered(200, body=b"ok", interim=None), ours=answered(502), check=2,
         answer=(lines("HTTP/1.1 103 Early Hints", "X-A: b", " c") + OK, CLOSE)),
]
