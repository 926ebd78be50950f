"""Fields of one hop only (RFC 9110 7.6.1), and those that Connection names."""

from .table import STRICT, answered, case, like, passed, post, rejected, request, response


def ends_here(name, *fields, lacks, has=None, rfc="9110 7.6.1"):
    return case(name, rfc, request(*fields), passed("GET /", has=has, lacks=lacks), check=14)


def of_upstream(name, *fields, lacks, has=None, rfc="9110 7.6.1", **more):
    return case(name, rfc, request(), answered(200, body=b"ok", has=has or {}, lacks=lacks),
                answer=response(*fields, "Content-Length: 2", body=b"ok"), check=14, **more)


CASES = [
    ends_here("a field that Connection names", "Connection: X-Mine", "X-Mine: 1", "X-Yours: 2",
              lacks=("X-Mine",), has={"X-Yours": "2"}),
    ends_here("names in another case", "Connection: x-MINE", "X-Mine: 1", lacks=("X-Mine",)),
    ends_here("several names, on several lines", "Connection: X-A, keep-alive", "X-A: 1",
              "Connection: ,X-B,", "X-B: 2", "X-A: 3", lacks=("X-A", "X-B")),
    ends_here("names before and after their fields", "X-A: 1", "Connection: X-A", "X-A: 2",
              lacks=("X-A",)),
    ends_here("Keep-Alive", "Connection: keep-alive, Keep-Alive", "Keep-Alive: timeout=5",
              lacks=("Keep-Alive",)),
    case("Keep-Alive that Connection does not name", "9110 7.6.1", request("Keep-Alive: timeout=5"),
         passed("GET /"), ours=passed("GET /", lacks=("Keep-Alive",)), check=14),
    case("Proxy-Connection", "9110 7.6.1", request("Proxy-Connection: keep-alive"),
         passed("GET /"), ours=passed("GET /", lacks=("Proxy-Connection",)), check=14),
    case("Proxy, which CGI takes for a setting", "9110 17.10", request("Proxy: http://evil"),
         passed("GET /"), ours=passed("GET /", lacks=("Proxy",)), check=14),
    case("Connection names Content-Length", "9110 7.6.1",
         post("Connection: Content-Length", "Content-Length: 3", body=b"abc"),
         rejected(), passed("POST /", b"abc"), ours=STRICT, check=14),
    case("Connection names Transfer-Encoding", "9110 7.6.1",
         post("Connection: Transfer-Encoding", "Transfer-Encoding: chunked",
              body=b"3\r\nabc\r\n0\r\n\r\n"),
         rejected(), passed("POST /", b"abc"), ours=STRICT, check=14),
    case("Connection names Host", "9110 7.6.1", request("Connection: Host"), rejected(),
         passed("GET /"), ours=STRICT, check=14),
    case("Connection names a thousand fields", "9110 7.6.1",
         request("Connection: " + ",".join(f"X-{i}" for i in range(1000)), "X-7: 1"),
         rejected(), passed("GET /", lacks=("X-7",)), ours=STRICT, check=(12, 14)),
    of_upstream("a response's field that Connection names", "Connection: X-Mine", "X-Mine: 1",
                "X-Yours: 2", lacks=("X-Mine",), has={"X-Yours": "2"}),
    of_upstream("a response's Keep-Alive", "Connection: keep-alive", "Keep-Alive: timeout=5",
                lacks=("Keep-Alive",)),
    case("a response's Proxy-Connection", "9110 7.6.1", request(), answered(200, body=b"ok"),
         ours=answered(200, body=b"ok", lacks=("Proxy-Connection",)), check=14,
         answer=response("Proxy-Connection: keep-alive", "Content-Length: 2", body=b"ok")),
    of_upstream("a response's Upgrade outside of 101", "Connection: upgrade", "Upgrade: h2c",
                lacks=("Upgrade",), rfc="9110 7.8"),
    case("a response's Connection names Content-Length", "9110 7.6.1", request(),
         answered(200, body=b"ok"), answered(502, 500), ours=answered(502), check=14,
         answer=response("Connection: Content-Length", "Content-Length: 2", body=b"ok")),
    case("Connection for the upstream is the proxy's own", "9110 7.6.1",
         request("Connection: keep-alive, X-A"),
         passed("GET /", has={"Connection": like("(keep-alive|close)?")})),
]
