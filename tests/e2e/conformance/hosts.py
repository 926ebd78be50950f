"""The Host field (RFC 9112 3.2): exactly one, and a sound one."""

from .table import STRICT, case, passed, refused, rejected, request


def unsound(name, host, *choices, rfc="9112 3.2"):
    return case(name, rfc, request(host=host), refused(400), *choices, ours=STRICT, check=10)


def sound(name, host, rfc="9110 7.2"):
    return case(name, rfc, request(host=host), passed("GET /", has={"Host": host}), check=10)


CASES = [
    case("no Host", "9112 3.2", request(host=None), refused(400), ours=STRICT, check=10),
    case("no Host beside absolute-form", "9112 3.2", request(target="http://h/", host=None),
         refused(400), ours=STRICT, check=10),
    case("two Hosts", "9112 3.2", request("Host: g"), refused(400), ours=STRICT, check=10),
    case("the same Host twice", "9112 3.2", request("Host: h"), refused(400), ours=STRICT,
         check=10),
    case("two Hosts, one obscured by a space", "9112 5.1", request("Host : g"), refused(400),
         ours=STRICT, check=10),
    case("two Hosts in HTTP/1.0", "9112 3.2", request("Host: g", version="HTTP/1.0"), refused(400),
         ours=STRICT, check=10),
    case("no Host in HTTP/1.0", "9112 3.2", request(host=None, version="HTTP/1.0"),
         passed("GET /"), check=10),
    unsound("an empty Host", "", passed("GET /")),
    unsound("a Host with a space", "a b"),
    unsound("a Host with a path", "a/b"),
    unsound("a Host with userinfo", "u@a"),
    unsound("a Host with a query", "a?b"),
    unsound("a Host with a backslash", "a\\b"),
    unsound("a Host with a port of letters", "a:b"),
    unsound("a Host with two ports", "a:1:2"),
    unsound("a Host with an open bracket", "[::1"),
    unsound("a Host with a NUL", "a\0b"),
    unsound("a port without a Host", ":80"),
    unsound("a Host with a comma", "a,b", passed("GET /", has={"Host": "a,b"})),
    unsound("a port above 65535", "a:99999", passed("GET /")),
    sound("a Host with a port", "h:8080"),
    sound("an IPv4 Host", "127.0.0.1"),
    sound("an IPv6 Host", "[::1]"),
    sound("an IPv6 Host with a port", "[2001:db8::1]:8080"),
    case("a Host in capitals", "9110 4.2.3", request(host="H.Example"), passed("GET /")),
    case("white space around a Host", "9112 5", request(host="\t h \t "),
         passed("GET /", has={"Host": "h"}), check=13),
    case("a Host without a space before it", "9112 5", b"GET / HTTP/1.1\r\nHost:h\r\n\r\n",
         passed("GET /", has={"Host": "h"})),
    case("a Host that is not the first field", "9110 7.2",
         b"GET / HTTP/1.1\r\nA: b\r\nhOST: h\r\n\r\n", passed("GET /", has={"Host": "h"})),
    case("a folded Host", "9112 5.2", b"GET / HTTP/1.1\r\nHost: h\r\n i\r\n\r\n", rejected(),
         ours=STRICT, check=2),
]
