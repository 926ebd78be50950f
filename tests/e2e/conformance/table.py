"""What a case of the table is made of.

A case sends raw bytes and says which outcomes its section of the RFC allows: where the RFC leaves a
choice, every legal choice is listed. `ours` is the one outcome that our own, stricter policy takes;
it is counted apart, for a proxy that chooses otherwise breaks no rule.

In every case, whatever it says, the upstream must see well-formed requests only (or one that breaks
off with its connection), the caller well-formed responses only, and a further request on the
caller's connection is answered rightly or finds it closed.
"""

import re
from dataclasses import dataclass, field


# --- steps of a caller (between its bytes) ---

READ = "read"                     # one whole response
READ_INTERIM = "read interim"     # one 1xx
UNTIL_SEEN = "until seen"         # the upstream has the head of a request
UNTIL_GONE = "until gone"         # the proxy has ended the upstream's connection, or leaves it
SIGNAL = "signal"                 # lets the upstream go on
HALF_CLOSE = "half close"         # no more from the caller


@dataclass(frozen=True)
class UntilBytes:
    """The caller waits until these have come."""
    data: bytes


# --- steps of the upstream (between its bytes) ---

EARLY = "early"                   # first: answer without waiting for the body
READ_BODY = "read body"           # after EARLY
CONTINUE = "continue"             # 100, where the request has it expected
UNTIL_SIGNAL = "until signal"
CLOSE = "close"
RESET = "reset"


@dataclass(frozen=True)
class RawRead:
    """The next bytes of the connection are these: a tunnel's."""
    data: bytes


# --- what must hold ---

NOTHING = "nothing"               # not a byte upstream
UNFINISHED = "unfinished"         # no whole request upstream
OPEN, CLOSED = "open", "closed"


@dataclass(frozen=True)
class Got:
    """One response as the caller has it. `has`: name → the one value, a pattern of all values
    joined, or True; no value given (None): whatever."""
    status: tuple
    body: bytes = None
    has: dict = field(default_factory=dict)
    lacks: tuple = ()
    interim: tuple = ()           # None: any
    trailers: dict = None         # names in lower case
    version: str = None
    complete: bool = True


@dataclass(frozen=True)
class Seen:
    """One request as the upstream has it."""
    start: str = None             # "METHOD TARGET"
    body: bytes = None
    has: dict = field(default_factory=dict)
    lacks: tuple = ()
    trailers: dict = None
    version: str = None


@dataclass(frozen=True)
class Outcome:
    got: tuple
    seen: object = None           # NOTHING, UNFINISHED, a tuple of Seen; None: whatever
    after: str = None             # OPEN, CLOSED; None: either


@dataclass(frozen=True)
class Case:
    name: str
    rfc: str
    send: tuple
    allowed: tuple
    answer: tuple = ()            # a script for each request; then OK
    ours: Outcome = None
    checks: tuple = ()            # numbers of the checks that we add to llhttp's
    methods: tuple = ()           # of the requests sent, where one is HEAD
    probe: bool = True            # whether another request may follow on the connection
    via: bool = False             # with Via switched on


def case(name, rfc, send, *allowed, answer=None, ours=None, check=(), methods=None, **more):
    """`answer`: bytes or steps for the one request, or a list of such for several."""
    send = send if isinstance(send, tuple) else (send,)
    if answer is None:
        scripts = ()
    elif isinstance(answer, list):
        scripts = tuple(each if isinstance(each, tuple) else (each,) for each in answer)
    else:
        scripts = (answer if isinstance(answer, tuple) else (answer,),)
    if methods is None:
        methods = ("HEAD",) if isinstance(send[0], bytes) and send[0][:5] == b"HEAD " else ()
    checks = check if isinstance(check, tuple) else (check,)
    return Case(name, rfc, send, allowed, scripts, ours, checks, methods, **more)


ANY_ERROR = tuple(range(400, 600))


def got(*status, **more):
    return Got(status, **more)


def refused(*status, seen=NOTHING, after=None):
    """The proxy's own answer, and the upstream has seen nothing."""
    return Outcome((Got(status),), seen, after)


def passed(start=None, body=None, has=None, lacks=(), status=200, after=None, **more):
    """Forwarded as one request like this, and answered."""
    seen = Seen(start, body, has or {}, lacks, **more)
    return Outcome((Got((status,), interim=None),), (seen,), after)


STRICT = refused(400, after=CLOSED)     # what our policy does with what it does not trust
ENDED = Outcome((), UNFINISHED, CLOSED)


def rejected(*status, after=None):
    """As refused(), where RFCs leave the status to the server."""
    return refused(*(status or ANY_ERROR), after=after)


def answered(*status, after=None, seen=None, **more):
    """What the upstream answered, or what is said instead, as the caller has it."""
    return Outcome((Got(status, **more),), seen, after)


def in_order(*responses, seen=None, after=None):
    """Several responses, in this order."""
    return Outcome(responses, seen, after)


# --- bytes ---

def like(pattern):
    return re.compile(pattern, re.IGNORECASE)


def lines(start, *fields, body=b""):
    return "\r\n".join([start, *fields]).encode("latin-1") + b"\r\n\r\n" + body


def request(*fields, method="GET", target="/", version="HTTP/1.1", host="h", body=b""):
    hosts = [] if host is None else [f"Host: {host}"]
    return lines(f"{method} {target} {version}", *hosts, *fields, body=body)


def post(*fields, body=b"", **more):
    return request(*fields, method="POST", body=body, **more)


def chunked(body, *fields, **more):
    """A POST with these bytes as its chunked body."""
    return post("Transfer-Encoding: chunked", *fields, body=body, **more)


def response(*fields, status="200 OK", version="HTTP/1.1", body=b""):
    return lines(f"{version} {status}", *fields, body=body)


OK = response("Content-Length: 2", body=b"ok")
SMUGGLED = request(target="/smuggled")
