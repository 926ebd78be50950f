"""Ports that nobody else has.

Taken below the kernel's range for outgoing connections, so that no connect() of ours lands on one.
A port is claimed among test processes by a UDP socket bound to it, which the kernel gives back
however the process ends; the TCP side is then free for whoever is told the number.
"""

import os
import random
import socket

FIRST, LAST = 11000, 31999
HOST = "127.0.0.1"

_claims = []
_random = random.Random(os.getpid() ^ int.from_bytes(os.urandom(4), "big"))


def _claim(port):
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        claim.bind((HOST, port))
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        probe.listen(1)
    except OSError:
        claim.close()
        return False
    finally:
        probe.close()
    _claims.append(claim)
    return True


def free_port():
    for _ in range(1000):
        port = _random.randint(FIRST, LAST)
        if _claim(port):
            return port
    raise RuntimeError("no free port found")


def free_address():
    return f"{HOST}:{free_port()}"


class Silent:
    """An address where connecting never ends: a listener whose queue is full."""

    def __init__(self):
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as it was claimed
        self._listener.bind((HOST, self.port))
        self._listener.listen(0)
        self._queued = []
        while self._queue_one():
            pass

    def _queue_one(self):
        one = socket.socket()
        one.settimeout(0.2)
        self._queued.append(one)
        try:
            one.connect((HOST, self.port))
            return True
        except (TimeoutError, BlockingIOError):
            return False

    def relent(self):
        """Takes the queue away and accepts the next that tries to connect."""
        for one in self._queued:
            one.close()
        while True:
            connection, _ = self._listener.accept()
            if connection.recv(1, socket.MSG_PEEK):
                return connection
            connection.close()

    def stop(self):
        for one in self._queued:
            one.close()
        self._listener.close()
