"""A strict reader of HTTP/1.1 for both ends of an exchange: what it takes has one meaning only."""

import re
from dataclasses import dataclass, field

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(rf"({TOKEN}) ([\x21-\x7e]+) (HTTP/1\.[01])")
STATUS_LINE = re.compile(r"(HTTP/1\.[01]) ([1-9][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)")
# RFC 9110 5.5: control characters but these three may be kept.
FIELD = re.compile(rf"({TOKEN}):[ \t]*([^\r\n\0]*)")
CHUNK_SIZE = re.compile(r"([0-9A-Fa-f]{1,15})")
TARGET = re.compile(r"/[^#\\<>\"{}|^`\x00-\x20]*|\*|https?://[^#]+", re.IGNORECASE)


class Malformed(Exception):
    """Bytes that no strict reader takes."""


class Broken(Exception):
    """The connection ended before the message was whole."""


@dataclass
class Message:
    start: tuple
    fields: list
    body: bytes = b""
    trailers: list = field(default_factory=list)
    interim: list = field(default_factory=list)
    complete: bool = False

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def words(self, name):
        return [word.strip().lower() for value in self.all(name) for word in value.split(",")]

    @property
    def status(self):
        return int(self.start[1])

    def __str__(self):
        fields = "".join(f" {name}: {value};" for name, value in self.fields)
        trailers = f" trailers {self.trailers}" if self.trailers else ""
        end = "" if self.complete else " (broken off)"
        interim = f" after {[each.status for each in self.interim]}" if self.interim else ""
        return f"{' '.join(self.start)} |{fields} {self.body[:60]!r}{trailers}{end}{interim}"


class Reader:
    def __init__(self, sock):
        self.socket = sock
        self.buffer = b""
        self.at_end = self.was_reset = False

    def fill(self):
        if self.at_end:
            return False
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ValueError):
            self.was_reset = True
            data = b""
        self.buffer += data
        self.at_end = not data
        return bool(data)

    def line(self):
        """Without its CRLF."""
        while b"\n" not in self.buffer:
            if not self.fill():
                raise Broken
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise Malformed(f"a bare LF after {line!r}")
        return line[:-1].decode("latin-1")

    def exactly(self, count):
        """A generator of the pieces, so that what came before a break is known."""
        while count:
            if not self.buffer and not self.fill():
                raise Broken
            piece, self.buffer = self.buffer[:count], self.buffer[count:]
            count -= len(piece)
            yield piece

    def fields(self):
        found = []
        while line := self.line():
            match = FIELD.fullmatch(line)
            if not match:
                raise Malformed(f"not a field: {line!r}")
            found.append((match[1], match[2].rstrip(" \t")))
        return found

    def chunks(self, message):
        message.body = b""
        while True:
            match = CHUNK_SIZE.fullmatch(self.line())
            if not match:
                raise Malformed("not a chunk's size")
            size = int(match[1], 16)
            if size == 0:
                message.trailers = self.fields()
                return
            for piece in self.exactly(size):
                message.body += piece
            if b"".join(self.exactly(2)) != b"\r\n":
                raise Malformed("a chunk without its end")

    def framing(self, message):
        """Bytes of the body, "chunked", or None where nothing is said."""
        lengths, codings = message.all("Content-Length"), message.all("Transfer-Encoding")
        if lengths and codings or len(lengths) > 1 or len(codings) > 1:
            raise Malformed(f"lengths {lengths} and codings {codings}")
        if lengths and not re.fullmatch("[0-9]{1,18}", lengths[0]):
            raise Malformed(f"the length {lengths[0]!r}")
        if codings and codings[0].lower() != "chunked":
            raise Malformed(f"the coding {codings[0]!r}")
        return "chunked" if codings else int(lengths[0]) if lengths else None

    # --- requests ---

    def request_head(self):
        """None where the connection ends between requests."""
        if not self.buffer and not self.fill():
            return None
        line = self.line()
        match = REQUEST_LINE.fullmatch(line)
        if not match or not (match[1] == "CONNECT" or TARGET.fullmatch(match[2])):
            raise Malformed(f"not a request line: {line!r}")
        message = Message(match.groups(), self.fields())
        if len(message.all("Host")) != 1 and match[3] == "HTTP/1.1":
            raise Malformed(f"hosts {message.all('Host')}")
        if message.all("Upgrade") and "upgrade" not in message.words("Connection"):
            raise Malformed("Upgrade that Connection does not name")
        self.framing(message)
        return message

    def request_body(self, message):
        framing = self.framing(message)
        if framing == "chunked":
            self.chunks(message)
        else:
            for piece in self.exactly(framing or 0):
                message.body += piece
        message.complete = True

    # --- responses ---

    def response_head(self):
        if not self.buffer and not self.fill():
            return None
        line = self.line()
        match = STATUS_LINE.fullmatch(line)
        if not match:
            raise Malformed(f"not a status line: {line!r}")
        message = Message(match.groups(), self.fields())
        framing = self.framing(message)
        if framing is not None and (message.status < 200 or message.status == 204):
            raise Malformed(f"a {message.status} with a body's framing")
        return message

    def response(self, method, interim):
        """The next final one; None where the connection ends before it."""
        while True:
            message = self.response_head()
            if message is None:
                return None
            if message.status >= 200 or message.status == 101:
                break
            interim.append(message)
        message.interim = interim
        try:
            self.response_body(message, method)
            message.complete = True
        except Broken:
            pass
        return message

    def response_body(self, message, method):
        if method == "HEAD" or message.status in (101, 204, 304):
            return
        framing = self.framing(message)
        if framing == "chunked":
            return self.chunks(message)
        if framing is not None:
            for piece in self.exactly(framing):
                message.body += piece
            return
        while self.fill():
            pass
        message.body, self.buffer = self.buffer, b""
        if self.was_reset:
            raise Broken
