"""Expect (RFC 9110 10.1.1)."""

from .table import (CONTINUE, EARLY, OK, READ_BODY, READ_INTERIM, Outcome, Seen, answered, case,
                    chunked, got, passed, post, refused, request, response)

GOES_ON = (EARLY, CONTINUE, READ_BODY, OK)
ABC = passed("POST /", b"abc")

CASES = [
    case("the body waits for 100", "9110 10.1.1",
         (post("Expect: 100-continue", "Content-Length: 3"), READ_INTERIM, b"abc"),
         Outcome((got(200, interim=(100,)),), (Seen("POST /", b"abc"),)), answer=GOES_ON),
    case("chunks wait for 100", "9110 10.1.1",
         (chunked(b"", "Expect: 100-continue"), READ_INTERIM, b"3\r\nabc\r\n0\r\n\r\n"),
         Outcome((got(200, interim=(100,)),), (Seen("POST /", b"abc"),)), answer=GOES_ON),
    case("100-Continue in capitals", "9110 10.1.1",
         (post("Expect: 100-CONTINUE", "Content-Length: 3"), READ_INTERIM, b"abc"),
         Outcome((got(200, interim=(100,)),), (Seen("POST /", b"abc"),)), answer=GOES_ON),
    case("the expectation is passed on, or met here", "9110 10.1.1",
         (post("Expect: 100-continue", "Content-Length: 3"), READ_INTERIM, b"abc"),
         ABC, ours=passed("POST /", b"abc", has={"Expect": "100-continue"}), answer=GOES_ON),
    case("a body that does not wait", "9110 10.1.1",
         post("Expect: 100-continue", "Content-Length: 3", body=b"abc"), ABC, answer=GOES_ON),
    case("a body that does not wait, and no 100", "9110 10.1.1",
         post("Expect: 100-continue", "Content-Length: 3", body=b"abc"), ABC),
    case("a final answer in place of 100", "9110 10.1.1",
         (post("Expect: 100-continue", "Content-Length: 3"), READ_INTERIM),
         Outcome((got(401, body=b"who?", interim=None),)), probe=False,
         answer=(EARLY, response("Content-Length: 4", status="401 Unauthorized", body=b"who?"))),
    case("a final answer in place of 100, and the body all the same", "9110 10.1.1",
         (post("Expect: 100-continue", "Content-Length: 3"), READ_INTERIM, b"abc"),
         Outcome((got(401, body=b"who?", interim=None),)),
         answer=(EARLY, response("Content-Length: 4", status="401 Unauthorized", body=b"who?"))),
    case("Expect in HTTP/1.0 is ignored", "9110 10.1.1",
         post("Expect: 100-continue", "Content-Length: 3", version="HTTP/1.0", body=b"abc"),
         Outcome((got(200, interim=()),), (Seen("POST /", b"abc"),))),
    case("Expect without a body", "9110 10.1.1", request("Expect: 100-continue"),
         passed("GET /")),
    case("an unknown expectation", "9110 10.1.1", post("Expect: tea", "Content-Length: 0"),
         refused(417), passed("POST /"), ours=refused(417), check=17),
    case("an unknown expectation beside 100-continue", "9110 10.1.1",
         post("Expect: 100-continue", "Expect: tea", "Content-Length: 0"), refused(417, 400),
         passed("POST /"), ours=refused(417), check=17),
    case("100 that nobody asked for is passed on", "9110 15.2",
         post("Content-Length: 3", body=b"abc"),
         answered(200, interim=(100,), seen=(Seen("POST /", b"abc"),)),
         answer=(response(status="100 Continue") + OK,)),
]
