"""An upstream whose every step a test decides.

A behaviour is a function of one Call, run in the connection's own thread: it answers, waits for
a gate, resets, drips, or does none of it. `answers`, `in_turn` and their like make the usual ones.
"""

import os
import socket
import threading

from .limits import GUARD, eventually
from .ports import HOST, free_port
from .wire import Fields, Incomplete, Wire, chunk


class Stopped(Exception):
    """The origin was stopped while a behaviour waited."""


class Call:
    """One request as the origin sees it, and what it can do about it."""

    def __init__(self, origin, wire, connection, on_connection, number):
        self.origin = origin
        self.wire = wire
        self.connection = connection          # which of the origin's connections, from 0
        self.on_connection = on_connection    # which request on it, from 0
        self.number = number                  # which request at the origin, from 0
        self.over = False                     # the connection ends with this call
        self._body = None
        self.trailers = Fields()
        start, self.fields = wire.read_head()
        self.method, self.target, self.version = start.split(" ")

    # --- the request ---

    @property
    def has_body(self):
        return "Transfer-Encoding" in self.fields or self.fields.get("Content-Length", "0") != "0"

    @property
    def body(self):
        """The whole body, read when first asked for."""
        if self._body is None:
            self._body = b""
            if "Transfer-Encoding" in self.fields:
                self._body, self.trailers = self.wire.read_chunked()
            elif "Content-Length" in self.fields:
                self._body = self.wire.read_exact(int(self.fields.get("Content-Length")))
        return self._body

    @property
    def attempt(self):
        return int(self.fields.get("x-outrigger-attempt"))

    # --- the answer ---

    def send(self, data):
        self.wire.send(data)

    def head(self, status=200, fields=(), reason="Reason"):
        fields = fields.items() if isinstance(fields, dict) else fields
        text = f"HTTP/1.1 {status} {reason}\r\n"
        self.send(text + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n")

    def answer(self, status=200, body=b"ok", fields=(), read_body=True):
        """A whole response with Content-Length; the request's body is read before."""
        if read_body:
            self.body
        body = body if isinstance(body, bytes) else body.encode()
        fields = list(fields.items() if isinstance(fields, dict) else fields)
        if status not in (204, 304) and status >= 200:
            fields.append(("Content-Length", len(body)))
        if self.method == "HEAD" or status in (204, 304):
            body = b""
        text = f"HTTP/1.1 {status} Reason\r\n"
        text += "".join(f"{name}: {value}\r\n" for name, value in fields)
        self.send(text.encode("latin-1") + b"\r\n" + body)

    def answer_chunked(self, pieces, fields=(), trailers=()):
        self.body
        self.head(200, [*fields, ("Transfer-Encoding", "chunked")])
        for piece in pieces:
            self.send(chunk(piece))
        self.send("0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers) + "\r\n")

    # --- instead of an answer ---

    def wait(self, gate):
        """Until the test sets the gate."""
        while not gate.wait(0.02):
            if self.origin.stopping:
                raise Stopped

    def wait_gone(self):
        """Until the proxy has given the connection up."""
        self.wire.wait_closed()
        self.over = True
        return True

    def reset(self):
        self.over = True
        self.wire.reset()

    def close(self):
        self.over = True
        self.wire.close()


class Origin:
    """Listens on a port of its own (or at a Unix path) until stopped."""

    def __init__(self, behave=None, on_connect=None, unix_path=None):
        self.behave = behave or answers()
        self.on_connect = on_connect
        self.unix_path = unix_path
        self.port = None if unix_path else free_port()
        self.address = f"unix:{unix_path}" if unix_path else f"{HOST}:{self.port}"
        self.calls = []
        self.errors = []
        self.connections = 0
        self.max_open = 0
        self.busy = 0
        self.max_busy = 0
        self.stopping = False
        self._open = set()
        self._lock = threading.Lock()
        self._listener = None
        self.start()

    # --- what it has seen ---

    def count(self, method=None, target=None):
        with self._lock:
            return sum((method is None or call.method == method) and
                       (target is None or call.target == target) for call in self.calls)

    @property
    def open(self):
        with self._lock:
            return len(self._open)

    def wait_calls(self, count, within=GUARD):
        eventually(lambda: len(self.calls) >= count, f"{count} requests at the origin", within)

    def wait_idle(self):
        eventually(lambda: self.busy == 0, "an idle origin")

    def wait_open(self, count):
        eventually(lambda: self.open == count, f"{count} open connections at the origin")

    # --- life ---

    def start(self):
        self.stopping = False
        if self.unix_path:
            if os.path.exists(self.unix_path):
                os.unlink(self.unix_path)
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(self.unix_path)
        else:
            self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((HOST, self.port))
        self._listener.listen(1024)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuse(self):
        """From now on connecting is refused; open connections stay."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def drop_connections(self):
        with self._lock:
            wires = list(self._open)
        for wire in wires:
            try:
                wire.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self.stopping = True
        try:
            self.refuse()
        except OSError:
            pass
        self.drop_connections()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if self.unix_path is None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                number = self.connections
                self.connections += 1
            threading.Thread(target=self._serve, args=(Wire(sock), number), daemon=True).start()

    def _serve(self, wire, number):
        with self._lock:
            self._open.add(wire)
            self.max_open = max(self.max_open, len(self._open))
        wire.socket.settimeout(None)
        try:
            if self.on_connect:
                self.on_connect(wire, number)
            nth = 0
            while self._serve_one(wire, number, nth):
                nth += 1
        except (Incomplete, OSError, Stopped):
            pass
        except Exception as error:  # a test's own mistake, or a malformed request: shown by it
            self.errors.append(error)
        finally:
            with self._lock:
                self._open.discard(wire)
            wire.close()

    def _serve_one(self, wire, connection, nth):
        if not wire.buffer and not wire.fill():
            return False
        call = Call(self, wire, connection, nth, None)
        with self._lock:
            call.number = len(self.calls)
            self.calls.append(call)
            self.busy += 1
            self.max_busy = max(self.max_busy, self.busy)
        try:
            self.behave(call)
        finally:
            with self._lock:
                self.busy -= 1
        return not call.over and "close" not in call.fields.tokens("Connection")


# --- the usual behaviours ---

def answers(status=200, body=b"ok", fields=()):
    return lambda call: call.answer(status, body, fields)


def resets(call):
    """Takes the whole request, then resets."""
    call.body
    call.reset()


def closes(call):
    """Takes the whole request, then closes without a byte."""
    call.body
    call.close()


def hangs(call):
    """Takes the whole request and never answers."""
    call.body
    call.wait_gone()


def sends(data, close=True):
    """Takes the whole request, then sends these bytes."""
    def behave(call):
        call.body
        call.send(data)
        if close:
            call.close()
    return behave


def waits_for(gate, then=None):
    def behave(call):
        call.body
        call.wait(gate)
        (then or answers())(call)
    return behave


def in_turn(*behaviours):
    """The first request gets the first, and so on; the last one stays."""
    return lambda call: behaviours[min(call.number, len(behaviours) - 1)](call)


def by_target(**behaviours):
    """By the first segment of the path; `other` for the rest."""
    def behave(call):
        word = call.target.lstrip("/").split("/")[0].split("?")[0]
        behaviours.get(word, behaviours.get("other", answers()))(call)
    return behave
