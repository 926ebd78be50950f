"""Upgrade and 101 (RFC 9110 7.8, 15.2.2)."""

from .table import (CLOSE, OK, READ, Outcome, RawRead, Seen, UntilBytes, answered, case, got,
                    in_order, like, passed, post, request, response)

WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
SWITCH = response("Connection: Upgrade", "Upgrade: websocket",
                  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                  status="101 Switching Protocols")
BAD_GATEWAY = answered(502, 500, 503, 504)
SWITCHED = Outcome((got(101, has={"Connection": like("upgrade"), "Upgrade": like("websocket")}),),
                   (Seen("GET /", has={"Connection": like(r".*\bupgrade\b.*"),
                                       "Upgrade": "websocket"}),))

CASES = [
    case("a connection that switches", "9110 7.8",
         (request(*WEBSOCKET), READ, b"\x81\x05hello", UntilBytes(b"\x82\x03abc")), SWITCHED,
         answer=(SWITCH, RawRead(b"\x81\x05hello"), b"\x82\x03abc", CLOSE), probe=False),
    case("bytes beside the switch are the tunnel's", "9110 7.8",
         (request(*WEBSOCKET) + b"client first", READ, UntilBytes(b"server first")), SWITCHED,
         answer=(SWITCH + b"server first", RawRead(b"client first"), CLOSE), probe=False),
    case("a tunnel carries what looks like HTTP", "9110 7.8",
         (request(*WEBSOCKET), READ, request(target="/x"), UntilBytes(OK)), SWITCHED,
         answer=(SWITCH, RawRead(request(target="/x")), OK, CLOSE), probe=False),
    case("an upgrade that is not taken up", "9110 7.8", request(*WEBSOCKET),
         answered(200, body=b"ok")),
    case("a request behind an upgrade that is not taken up", "9110 7.8",
         request(*WEBSOCKET) + request(target="/b"),
         in_order(got(200), got(200), seen=(Seen("GET /"), Seen("GET /b")))),
    case("an upgrade to one of several protocols", "9110 7.8",
         (request("Connection: Upgrade", "Upgrade: websocket, x/2"), READ), answered(200)),
    case("an upgrade with a body that is not taken up", "9110 7.8",
         post("Content-Length: 3", *WEBSOCKET, body=b"abc"), passed("POST /", b"abc")),
    case("an upgrade to h2c", "9110 7.8",
         request("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
         passed("GET /"), ours=passed("GET /", lacks=("Upgrade", "HTTP2-Settings")), check=14),
    case("an upgrade in HTTP/1.0", "9110 7.8", request(*WEBSOCKET, version="HTTP/1.0"),
         passed("GET /", lacks=("Upgrade",)), check=14),
    case("Upgrade that Connection does not name", "9110 7.8", request("Upgrade: websocket"),
         passed("GET /", lacks=("Upgrade",)), check=14),
    case("101 that nobody asked for", "9110 15.2.2", request(), BAD_GATEWAY,
         answer=(SWITCH, CLOSE), ours=answered(502), check=5),
    case("101 to HTTP/1.0", "9110 15.2", request(*WEBSOCKET, version="HTTP/1.0"), BAD_GATEWAY,
         answer=(SWITCH, CLOSE), ours=answered(502), check=5),
    case("101 that does not say to what", "9110 7.8", request(*WEBSOCKET), BAD_GATEWAY,
         Outcome((got(101),)), ours=answered(502), check=5, probe=False,
         answer=(response("Connection: Upgrade", status="101 Switching Protocols"), CLOSE)),
    case("426 with Upgrade", "9110 15.5.22", request(), answered(426),
         answer=response("Upgrade: h2c", "Connection: Upgrade", "Content-Length: 0",
                         status="426 Upgrade Required")),
]
