"""Request targets: their four forms, and what of them reaches the upstream."""

from .table import STRICT, case, like, passed, refused, rejected, request


def forwarded(name, target, rfc="9110 7.7"):
    return case(name, rfc, request(target=target), passed(f"GET {target}"))


def unsound(name, target, rfc="9112 3.2", check=11):
    return case(name, rfc, request(target=target), rejected(), ours=STRICT, check=check)


def to_other(start):
    return passed(start, has={"Host": "other.example"})


CASES = [
    forwarded("a path and a query", "/a/b?c=d&e"),
    forwarded("an empty query", "/a?"),
    forwarded("two slashes", "//a//b"),
    forwarded("dot segments", "/a/../b/./c"),
    forwarded("an encoded slash", "/a%2Fb%2fc"),
    forwarded("encoded letters", "/%41%7e"),
    forwarded("a question mark in the query", "/a?b?c=/../&&"),
    forwarded("parameters in the path", "/a;p=1,2/b:c@d"),
    forwarded("8,000 characters", "/" + "x" * 7999, rfc="9112 3"),
    case("100,000 characters", "9110 15.5.15", request(target="/" + "x" * 100_000),
         rejected(414, 431, 400), check=12),
    case("20,000 characters", "9110 15.5.15", request(target="/" + "x" * 20_000),
         passed("GET /" + "x" * 20_000), rejected(414, 431, 400), ours=refused(414), check=12),
    case("an encoded NUL", "3986 2.1", request(target="/a%00"), passed("GET /a%00"), rejected(),
         ours=STRICT, check=11),
    unsound("a fragment", "/a#b"),
    unsound("a backslash", "/a\\b"),
    unsound("quotes", '/a"b'),
    unsound("angle brackets", "/<a>"),
    unsound("braces", "/{a}"),
    unsound("a bar", "/a|b"),
    unsound("a caret and a backtick", "/a^`"),
    unsound("a control character", "/\x01"),
    unsound("DEL", "/\x7f"),
    unsound("a byte above 127", "/\xe9"),
    unsound("no slash", "a", check=10),
    unsound("an authority for GET", "h:80", rfc="9112 3.2.3", check=10),
    unsound("an asterisk for GET", "*", rfc="9112 3.2.4", check=10),
    unsound("an asterisk and a path", "*/a", rfc="9112 3.2.4", check=10),
    case("an asterisk for OPTIONS", "9112 3.2.4", request(method="OPTIONS", target="*"),
         passed("OPTIONS *")),
    case("absolute-form", "9112 3.2.2", request(target="http://other.example/a?b=c",
                                                host="other.example"), to_other("GET /a?b=c"),
         check=10),
    case("absolute-form has the word against Host", "9112 3.2.2",
         request(target="http://other.example/a"), to_other("GET /a"), check=10),
    case("absolute-form without a path", "9112 3.2.1",
         request(target="http://other.example", host="other.example"), to_other("GET /")),
    case("absolute-form with a query and no path", "9112 3.2.1",
         request(target="http://other.example?b=c", host="other.example"), to_other("GET /?b=c")),
    case("absolute-form without a path for OPTIONS", "9112 3.2.4",
         request(method="OPTIONS", target="http://other.example", host="other.example"),
         to_other("OPTIONS *")),
    case("absolute-form with a path for OPTIONS", "9112 3.2.4",
         request(method="OPTIONS", target="http://other.example/a", host="other.example"),
         to_other("OPTIONS /a")),
    case("a scheme in capitals", "3986 3.1",
         request(target="HTTP://other.example/a", host="other.example"), to_other("GET /a")),
    case("absolute-form in HTTP/1.0 without Host", "9112 3.2.2",
         request(target="http://other.example/a", host=None, version="HTTP/1.0"),
         to_other("GET /a")),
    case("https in absolute-form", "9110 7.4", request(target="https://h/a"),
         passed(), rejected(421, 400)),
    case("ftp in absolute-form", "9110 7.4", request(target="ftp://h/a"), rejected(),
         passed("GET /a"), ours=STRICT, check=10),
    case("userinfo in absolute-form", "9110 4.2.4", request(target="http://u@h/a"), rejected(),
         passed("GET /a", has={"Host": "h"}), ours=STRICT, check=10),
    case("no host in absolute-form", "9110 4.2.1", request(target="http:///a"), rejected(),
         ours=STRICT, check=10),
    case("a port of letters in absolute-form", "3986 3.2.3", request(target="http://h:x/a"),
         rejected(), ours=STRICT, check=10),
    case("a port in absolute-form is kept in Host", "9112 3.2.2",
         request(target="http://other.example:8080/", host="other.example:8080"),
         passed("GET /", has={"Host": like("other.example:8080")})),
]
