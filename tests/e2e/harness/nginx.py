"""Debian's nginx as an upstream: one process a server, so that a signal meets all of it."""

import os
import signal
import socket
from dataclasses import dataclass

from . import process
from .limits import eventually
from .ports import HOST, free_port

_CONFIG = """
daemon off;
master_process off;
pid {dir}/pid;
error_log {dir}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  log_format seen escape=json '$msec\\t$status\\t$request_method\\t$uri\\t'
                              '$http_x_outrigger_attempt\\t$http_x_request_id\\t$body_bytes_sent';
  access_log {dir}/access.log seen;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  client_max_body_size 0;
  keepalive_requests 100000000;
  keepalive_timeout 75s;
  default_type text/plain;
  {http}
  server {{
    listen {host}:{port} backlog=4096;
    root {dir}/root;
    location / {{
      if (-f {dir}/failing) {{ return 503 "failing\\n"; }}
      return 200 "{name}\\n";
    }}
    location /file/ {{ alias {dir}/root/; }}
    {server}
  }}
}}
"""


_SETTLE = "/.settle"


@dataclass
class Seen:
    """One line of the access log."""
    at: float
    status: int
    method: str
    uri: str
    attempt: str
    request_id: str
    body_bytes: int


class Nginx:
    def __init__(self, directory, name="nginx", http="", server=""):
        self.directory = directory
        self.name = name
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        self._process = None
        self._paused = False
        os.makedirs(os.path.join(directory, "root"))
        config = _CONFIG.format(dir=directory, host=HOST, port=self.port, name=name, http=http,
                                server=server)
        with open(self._path("nginx.conf"), "w", encoding="utf-8") as file:
            file.write(config)
        self.start()

    def _path(self, name):
        return os.path.join(self.directory, name)

    def add_file(self, name, data):
        with open(os.path.join(self.directory, "root", name), "wb") as file:
            file.write(data)

    def start(self):
        with open(self._path("stderr"), "ab") as err:
            self._process = process.start(
                ["nginx", "-p", self.directory, "-c", self._path("nginx.conf"),
                 "-e", self._path("error.log")], stdout=err, stderr=err)
        eventually(self._accepts, f"nginx {self.name}")

    def _accepts(self):
        if self._process.poll() is not None:
            with open(self._path("stderr"), encoding="utf-8") as err:
                raise RuntimeError(f"nginx ended: {err.read()}")
        try:
            socket.create_connection((HOST, self.port), 1).close()
            return True
        except OSError:
            return False

    @property
    def pid(self):
        return self._process.pid

    def kill(self):
        process.kill(self._process)

    def pause(self):
        self._paused = True
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)
        self._paused = False

    def fail(self, failing=True):
        """503 for everything under /, from the next request on."""
        if failing:
            with open(self._path("failing"), "wb"):
                pass
        else:
            os.unlink(self._path("failing"))

    def seen(self):
        """The access log, with a line of every request whose response has arrived."""
        self._settle()
        try:
            with open(self._path("access.log"), encoding="utf-8", errors="replace") as file:
                every = [self._parse(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [each for each in every if each.uri != _SETTLE]

    def _settle(self):
        """A line is written after its response has gone out, in the same turn of the one process:
        whatever was answered before this request was taken up is in the log by its answer."""
        if self._paused:
            return
        try:
            with socket.create_connection((HOST, self.port), 5) as sock:
                sock.sendall(f"GET {_SETTLE} HTTP/1.0\r\n\r\n".encode())
                sock.recv(1)
        except ConnectionError:
            pass  # it was killed: nothing is written any more

    @staticmethod
    def _parse(line):
        at, status, method, uri, attempt, request_id, sent = line.rstrip("\n").split("\t")
        return Seen(float(at), int(status), method, uri, attempt, request_id, int(sent))

    def stop(self):
        if self._process:
            process.kill(self._process)
