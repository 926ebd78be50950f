"""HTTP/1.1 on a plain socket, for both sides of a test: strict where a reader must be, and with
raw bytes wherever a test wants them.
"""

import contextlib
import socket
import struct
from dataclasses import dataclass, field

from .limits import GUARD


class Incomplete(Exception):
    """The peer ended the connection before the message was whole."""

    def __init__(self, received, was_reset):
        super().__init__(f"{'reset' if was_reset else 'closed'} after {received[-200:]!r}")
        self.received = received
        self.was_reset = was_reset


class Fields(list):
    """Header fields as they came: (name, value) in order."""

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        return [value for key, value in self if key.lower() == name.lower()]

    def __contains__(self, name):
        return bool(self.all(name))

    def tokens(self, name):
        """The words of a list field, over all its lines."""
        return [word.strip().lower() for value in self.all(name) for word in value.split(",")]


@dataclass
class Response:
    status: int
    reason: str
    version: str
    fields: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=Fields)
    interim: list = field(default_factory=list)

    @property
    def text(self):
        return self.body.decode(errors="replace")


class Wire:
    def __init__(self, sock):
        self.socket = sock
        self.socket.settimeout(GUARD)
        self.buffer = b""
        self.was_reset = False
        self.at_end = False

    # --- bytes ---

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def fill(self, most=65536):
        """Waits for more bytes; False at the end of the connection."""
        if self.at_end:
            return False
        try:
            data = self.socket.recv(most)
        except (ConnectionResetError, BrokenPipeError):
            self.was_reset = True
            data = b""
        self.buffer += data
        self.at_end = not data
        return bool(data)

    def take(self, count):
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_until(self, marker):
        while marker not in self.buffer:
            if not self.fill():
                raise Incomplete(self.buffer, self.was_reset)
        return self.take(self.buffer.index(marker) + len(marker))

    def read_exact(self, count):
        if count <= len(self.buffer):
            return self.take(count)
        pieces, left = [self.buffer], count - len(self.buffer)
        self.buffer = b""
        while left > 0:
            if not self.fill(min(left, 1 << 20)):
                raise Incomplete(b"".join(pieces), self.was_reset)
            pieces.append(self.take(left))
            left -= len(pieces[-1])
        return b"".join(pieces)

    def read_to_end(self):
        """All that still comes. A reset is not an end: it raises Incomplete."""
        while self.fill():
            pass
        if self.was_reset:
            raise Incomplete(self.buffer, True)
        return self.take(len(self.buffer))

    def wait_closed(self):
        """Waits until the peer ends the connection, however; what still came."""
        while self.fill():
            pass
        return self.take(len(self.buffer))

    def is_open(self):
        """Whether the peer has neither closed nor sent anything, right now."""
        self.socket.settimeout(0.02)
        try:
            return not self.buffer and bool(self.fill() and False)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(GUARD)

    # --- messages ---

    def read_head(self):
        """(start line, fields) of the next message."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        start, *lines = head[:-4].split("\r\n")
        return start, Fields(self._field(line) for line in lines)

    @staticmethod
    def _field(line):
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"not a header field: {line!r}")
        return name, value.strip(" \t")

    def read_chunked(self, on_data=None):
        """(body, trailers); with on_data the body goes there, piece by piece."""
        pieces = []
        take = on_data or pieces.append
        while True:
            size = int(self.read_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            take(self.read_exact(size))
            if self.read_exact(2) != b"\r\n":
                raise ValueError("a chunk without its end")
        trailers = Fields()
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            trailers.append(self._field(line[:-2].decode("latin-1")))
        return b"".join(pieces), trailers

    def read_response_head(self):
        start, fields = self.read_head()
        version, status, *reason = start.split(" ", 2)
        if not version.startswith("HTTP/1."):
            raise ValueError(f"not a status line: {start!r}")
        return Response(int(status), reason[0] if reason else "", version, fields)

    def read_response(self, method="GET"):
        """The next final response, whole; 1xx before it are in .interim, but 101 is final."""
        interim = []
        while True:
            response = self.read_response_head()
            if response.status >= 200 or response.status == 101:
                break
            interim.append(response)
        response.interim = interim
        self.read_response_body(response, method)
        return response

    def read_response_body(self, response, method="GET"):
        fields = response.fields
        if method == "HEAD" or response.status in (101, 204, 304):
            return
        if "Transfer-Encoding" in fields:
            response.body, response.trailers = self.read_chunked()
        elif "Content-Length" in fields:
            response.body = self.read_exact(int(fields.get("Content-Length")))
        else:
            response.body = self.read_to_end()

    # --- ends ---

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RD)  # a thread that reads would hold it open
        self.socket.close()


def request_bytes(method, target, fields=(), body=None, host="test.local", version="HTTP/1.1"):
    """A request's bytes, with Host and Content-Length where they are not given."""
    fields = Fields(fields.items() if isinstance(fields, dict) else fields)
    if host is not None and "Host" not in fields:
        fields.insert(0, ("Host", host))
    if body is not None and "Transfer-Encoding" not in fields and "Content-Length" not in fields:
        fields.append(("Content-Length", str(len(body))))
    head = f"{method} {target} {version}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in fields)
    return head.encode("latin-1") + b"\r\n" + (body or b"")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Client(Wire):
    """A caller with a connection of its own."""

    def __init__(self, address, receive_buffer=None):
        if address.startswith("unix:"):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            target = address[len("unix:"):]
        else:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            host, port = address.rsplit(":", 1)
            target = (host, int(port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(GUARD)
        try:
            sock.connect(target)
        except BaseException:
            sock.close()
            raise
        super().__init__(sock)

    def send_request(self, method, target, fields=(), body=None, **options):
        self.send(request_bytes(method, target, fields, body, **options))

    def request(self, method, target, fields=(), body=None, **options):
        self.send_request(method, target, fields, body, **options)
        return self.read_response(method)

    def get(self, target="/", fields=()):
        return self.request("GET", target, fields)
