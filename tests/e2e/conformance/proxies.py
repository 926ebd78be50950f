"""What the cases are played against: this program, and its peers as their experts set them up as
reverse proxies: kept connections to the upstream, nothing buffered, upgrades passed on, Via added,
nothing tried again. Each is started with a main and a Via listener for each upstream.
"""

import os
import socket
import subprocess

from harness import GUARD, HOST, eventually, free_port, process

from .exchange import Lane, Upstream


def outrigger_config(upstreams):
    """For harness.Outrigger, which gives the listeners their addresses."""
    listeners = []
    for n, _ in enumerate(upstreams):
        for kind in ("main", "via"):
            listeners.append({"name": f"{kind}-{n}", "via": kind == "via",
                              "routes": [{"name": f"{kind}-{n}", "upstream": f"u{n}",
                                          "retry": "off"}]})
    return {"shutdown": {"delay": "0s", "drain_timeout": "1s", "outbound": "immediate"},
            "listeners": listeners,
            "upstreams": {f"u{n}": {"endpoints": [each.address], "outlier_detection": "off"}
                          for n, each in enumerate(upstreams)}}


def outrigger_lanes(upstreams, daemon):
    return [Lane(each, daemon.addresses[f"main-{n}"], daemon.addresses[f"via-{n}"])
            for n, each in enumerate(upstreams)]


class _Peer:
    """One foreign proxy as a process; it adds Via on every listener."""

    def __init__(self, directory, count):
        os.makedirs(directory)
        self.directory = directory
        self.upstreams = [Upstream() for _ in range(count)]
        ports = [free_port() for _ in self.upstreams]
        self.lanes = [Lane(each, f"{HOST}:{port}", f"{HOST}:{port}")
                      for each, port in zip(self.upstreams, ports)]
        self.file = os.path.join(directory, "config")
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(self.config(list(zip(self.upstreams, ports))))
        with open(os.path.join(directory, "log"), "wb") as log:
            self._process = process.start(self.command(), stdout=log, stderr=subprocess.STDOUT)
        eventually(lambda: self._accepts(ports[-1]), self.name, GUARD / 3)

    def _accepts(self, port):
        if self._process.poll() is not None:
            with open(os.path.join(self.directory, "log"), encoding="utf-8") as log:
                raise RuntimeError(f"{self.name} ended: {log.read()}")
        try:
            socket.create_connection((HOST, port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        process.kill(self._process)
        for each in self.upstreams:
            each.stop()


class Nginx(_Peer):
    name = "nginx"

    def command(self):
        return ["nginx", "-p", self.directory, "-c", self.file, "-e", f"{self.directory}/errors"]

    def config(self, sides):
        blocks = "".join(f"""
  upstream u{port} {{ server {upstream.address} max_fails=0; keepalive 16; }}
  server {{
    listen {HOST}:{port};
    server_name h;
    location / {{ proxy_pass http://u{port}; }}
  }}""" for upstream, port in sides)
        temporary = "".join(f"  {kind}_temp_path {self.directory}/{kind};\n" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""
daemon off;
master_process off;
pid {self.directory}/pid;
events {{ worker_connections 1024; }}
http {{
{temporary}
  access_log off;
  client_max_body_size 0;
  map $http_host $port_said {{ default ''; '~(:[0-9]+)$' $1; }}
  map $http_upgrade $said {{ default upgrade; '' ''; }}
  map $server_protocol $received {{ default 1.1; HTTP/1.0 1.0; }}
  map $http_via $via {{ default "$http_via, $received nginx"; '' "$received nginx"; }}
  underscores_in_headers on;
  proxy_http_version 1.1;
  proxy_pass_header Date;
  proxy_buffering off;
  proxy_request_buffering off;
  proxy_next_upstream off;
  proxy_set_header Host $host$port_said;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $said;
  proxy_set_header Via $via;
{blocks}
}}
"""


class Haproxy(_Peer):
    name = "HAProxy"

    def command(self):
        return ["haproxy", "-db", "-f", self.file]

    def config(self, sides):
        blocks = "".join(f"""
listen l{port}
  bind {HOST}:{port}
  http-request add-header Via "%[req.ver] haproxy"
  server s {upstream.address}
""" for upstream, port in sides)
        return f"""
global
  maxconn 1000
defaults
  mode http
  retries 0
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
{blocks}
"""
