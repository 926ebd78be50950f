"""docker/: the image, built and run as it is meant to run, and the services of compose.yaml."""

import json
import os
import re
import subprocess
import unittest

import yaml

import image
from harness import Case, Metrics, free_port, process, waits_for
from ship import BINARY, ROOT, run, slow

DOCKER = ROOT / "docker"
LABEL = "org.opencontainers.image."
MOST_OVER_BASE = 40 * 1024 * 1024
EXAMPLE = "/etc/outrigger/outrigger.yaml"
# What is asked for besides the user: as a restricted pod runs it. --no-healthcheck: podman would
# want a systemd for its timer; the tests run the command themselves.
CONFINED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096", "--no-healthcheck"]
# podman looks at version 2 of cgroups where only version 1 has controllers; for it alone.
PODMAN = ["unshare", "-m", "sh", "-c",
          'umount /sys/fs/cgroup/unified 2>/dev/null; exec podman --runtime runc "$@"', "podman"]


def instructions():
    """The Dockerfile's instructions, joined lines, without comments."""
    text = "".join(line for line in (DOCKER / "Dockerfile").read_text().splitlines(True)
                   if not line.startswith("#"))
    return text.replace("\\\n", " ")


class DockerfileTest(unittest.TestCase):
    def test_the_example_it_serves_is_without_a_warning(self):
        run(BINARY, "check", "--strict", "-c", DOCKER / "outrigger.yaml")

    def test_the_last_stage_installs_the_libraries_that_the_program_loads(self):
        last = instructions().split("FROM")[-1]
        installed = set(re.findall(r"\blib[a-z0-9.+-]+", last))
        loaded = set()
        for path in re.findall(r"=> (/\S+)", run("ldd", BINARY)):
            # Debian's merged /usr: packages say /lib, the linker may say /usr/lib, or the reverse.
            owners = [subprocess.run(["dpkg", "-S", name], capture_output=True, text=True,
                                     check=False).stdout.split(":")[0]
                      for name in (os.path.realpath(path),
                                   os.path.realpath(path).removeprefix("/usr"))]
            loaded.update(filter(None, owners))
        self.assertEqual(loaded - {"libc6", "libgcc-s1"}, installed)

    def test_the_version_is_the_projects(self):
        project = re.search(r"project\(outrigger VERSION (\S+)",
                            (ROOT / "CMakeLists.txt").read_text())[1]
        self.assertIn(f"ARG VERSION={project}\n", (DOCKER / "Dockerfile").read_text())

    def test_what_is_copied_is_not_ignored(self):
        kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines()
                if line.startswith("!")}
        for name in kept:
            self.assertTrue((ROOT / name).exists(), name)
        for source in re.findall(r"^COPY (?!--from)(\S+) ", instructions(), re.MULTILINE):
            self.assertTrue(source == "." or source in kept, source)


@slow
class ImageTest(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.name = image.build()
        cls.about = json.loads(run("podman", "image", "inspect", cls.name))[0]

    def test_it_is_what_orchestrators_want(self):
        config = self.about["Config"]
        self.assertEqual("65532:65532", config["User"])
        self.assertEqual(["/usr/bin/outrigger"], config["Entrypoint"])
        self.assertEqual(["run", "-c", EXAMPLE], config["Cmd"])
        self.assertEqual("SIGTERM", config["StopSignal"])
        self.assertEqual({"8080/tcp", "9902/tcp"}, set(config["ExposedPorts"]))
        self.assertEqual(["CMD", "/usr/bin/outrigger", "healthcheck", "-c", EXAMPLE],
                         self.about["HealthcheckConfig"]["Test"]
                         if "HealthcheckConfig" in self.about else
                         self.about["Healthcheck"]["Test"])
        for label in ("title", "description", "version", "revision", "base.name"):
            self.assertTrue(config["Labels"].get(LABEL + label), label)
        self.assertEqual(run(BINARY, "version").split()[1], config["Labels"][LABEL + "version"])

    def test_it_is_small(self):
        base = json.loads(run("podman", "image", "inspect", image.base()))[0]["Size"]
        over = self.about["Size"] - base
        print(f"\nthe image is {over / 1024 / 1024:.1f} MiB over its base")
        self.assertLess(over, MOST_OVER_BASE)
        self.assertGreater(over, 1024 * 1024, "the base is not its base")

    def test_it_holds_no_compiler_and_needs_no_shell(self):
        container = image.buildah("from", "--pull-never", self.name).strip()
        self.addCleanup(image.buildah, "rm", container)
        root = image.buildah("mount", container).strip()
        with open(f"{root}/var/lib/dpkg/status", encoding="utf-8") as file:
            packages = re.findall(r"^Package: (\S+)", file.read(), re.MULTILINE)
        self.assertIn("libuv1", packages)
        for package in packages:
            self.assertNotRegex(
                package, r"-dev$|^(g\+\+|gcc|cpp|clang|cmake|make|binutils|ccache)(-\d+)?$")
        for shell in ("sh", "bash", "dash", "rbash"):
            for folder in ("bin", "usr/bin"):
                if os.path.lexists(f"{root}/{folder}/{shell}"):
                    os.unlink(f"{root}/{folder}/{shell}")
        out = image.buildah("run", "--isolation", "chroot", "--user", "65532:65532", container,
                            "--", "/usr/bin/outrigger", "check", "--strict", "-c", EXAMPLE)
        self.assertIn("fine", out)

    def container(self, *options):
        """A container as it is meant to run: (podman's name of it, its process)."""
        name = f"outrigger-test-{os.getpid()}-{free_port()}"
        run(*PODMAN, "run", "--detach", "--name", name, *CONFINED, *options, self.name)
        self.addCleanup(run, *PODMAN, "rm", "--force", "--time", "0", name)
        pid = int(run("podman", "inspect", "--format", "{{.State.Pid}}", name))
        return name, pid

    def exit_status(self, name):
        return int(run(*PODMAN, "wait", name, timeout=60))

    def test_it_shows_something_at_once_confined_as_it_is(self):
        name, pid = self.container("--network", "none")

        def curl(address):
            return process.run(["nsenter", "-t", pid, "-n", "curl", "-sf", address])[1]
        self.eventually(lambda: curl("127.0.0.1:9902/readyz"), "readiness")
        self.assertIn("outrigger runs", curl("127.0.0.1:8080/"))
        self.eventually(lambda: 1 == Metrics(curl("127.0.0.1:9902/metrics")).value(
            "requests_total", listener="hello", code="200"), "that it is counted")
        run(*PODMAN, "exec", name, *self.about["Config"]["Entrypoint"], "healthcheck", "-c", EXAMPLE)

        self.assertEqual(["65532"] * 4, process.status_field(pid, "Uid").split())
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(0, int(process.status_field(pid, capabilities), 16), capabilities)
        with open(f"/proc/{pid}/mountinfo", encoding="ascii") as mounts:
            root = next(line for line in mounts if line.split()[4] == "/")
        self.assertIn("ro", root.split()[5].split(","))

        run(*PODMAN, "kill", "--signal", "TERM", name)
        self.assertEqual(0, self.exit_status(name))
        self.assertIn('"status":200', process.run(["podman", "logs", name])[1])

    def test_sigterm_lets_a_request_in_flight_end_well(self):
        gate = self.gate()
        origin = self.origin(waits_for(gate))
        port, admin = free_port(), free_port()
        file = os.path.join(self.directory, "outrigger.yaml")
        with open(file, "w", encoding="utf-8") as out:
            json.dump({"admin": {"address": f"127.0.0.1:{admin}"},
                       "listeners": [{"address": f"127.0.0.1:{port}",
                                      "routes": [{"upstream": "u"}]}],
                       "upstreams": {"u": {"endpoints": [origin.address]}}}, out)
        os.chmod(self.directory, 0o755)
        name, _ = self.container("--network", "host", "--volume", f"{file}:{EXAMPLE}:ro")
        healthcheck = [*PODMAN, "exec", name, "/usr/bin/outrigger", "healthcheck", "-c", EXAMPLE]
        self.eventually(lambda: process.run(healthcheck)[0] == 0, "readiness")
        client = self.client(f"127.0.0.1:{port}")
        client.send_request("GET", "/")
        origin.wait_calls(1)
        run(*PODMAN, "kill", "--signal", "TERM", name)
        self.eventually(lambda: "draining" in process.run(["podman", "logs", name])[2], "a drain")
        gate.set()
        self.assertEqual(200, client.read_response().status)
        self.assertEqual(0, self.exit_status(name))


class ComposeTest(Case):
    COMPOSE = DOCKER / "compose.yaml"

    def services(self):
        return yaml.safe_load(self.COMPOSE.read_text())["services"]

    def test_what_it_mounts_and_builds_is_there(self):
        services = self.services()
        self.assertEqual({"app", "outrigger", "flaky-a", "flaky-b", "prometheus"}, set(services))
        for name, service in services.items():
            with self.subTest(name):
                self.assertEqual(1, len({"image", "build"} & set(service)))
                for volume in service.get("volumes", []):
                    source, _, mode = volume.split(":")
                    self.assertTrue((DOCKER / source).is_file(), source)
                    self.assertEqual("ro", mode)
                for other in service.get("depends_on", []):
                    self.assertIn(other, services)
        build = services["outrigger"]["build"]
        self.assertTrue((DOCKER / build["context"] / build["dockerfile"]).is_file())
        self.assertIn(services["outrigger"]["network_mode"].removeprefix("service:"), services)

    def test_prometheus_and_outrigger_take_their_files(self):
        run("promtool", "check", "config", DOCKER / "compose/prometheus.yaml")
        run(BINARY, "check", "--strict", "-c", DOCKER / "compose/outrigger.yaml")

    def test_prometheus_asks_where_the_metrics_are(self):
        scrape = yaml.safe_load((DOCKER / "compose/prometheus.yaml").read_text())
        target = scrape["scrape_configs"][0]["static_configs"][0]["targets"][0]
        config = yaml.safe_load((DOCKER / "compose/outrigger.yaml").read_text())
        host, port = target.split(":")
        self.assertEqual(config["metrics"]["address"], f"0.0.0.0:{port}")
        self.assertEqual(self.services()["outrigger"]["network_mode"], f"service:{host}")

    def test_the_application_does_not_notice_that_its_upstreams_fail(self):
        """The files of all services but prometheus, at this host's ports, by the real programs."""
        places = {f"{name}:9000": f"127.0.0.1:{free_port()}" for name in ("flaky-a", "flaky-b")}
        app = f"127.0.0.1:{free_port()}"

        def moved(text, more):
            for before, after in {**places, **more}.items():
                self.assertIn(before, text)
                text = text.replace(before, after)
            return text
        daemon = self.start(moved((DOCKER / "compose/outrigger.yaml").read_text(), {
            "127.0.0.1:8080": (egress := f"127.0.0.1:{free_port()}"),
            "0.0.0.0:9902": (metrics := f"127.0.0.1:{free_port()}")}) +
            f"admin: {{address: 127.0.0.1:{(admin := free_port())}}}\n", wait_ready=False)
        daemon.admin_address = f"127.0.0.1:{admin}"
        daemon.wait_ready()
        flaky = (DOCKER / "compose/flaky.conf").read_text()
        for name, place in places.items():
            self.serve(name.split(":")[0], flaky.replace("listen 9000", f"listen {place}"), place)
        self.serve("app", moved((DOCKER / "compose/app.conf").read_text(), {
            "listen 8000": f"listen {app}", "127.0.0.1:8080": egress}), app)

        def statuses(target):
            client = self.client(app)
            return [client.request("GET", target).status for _ in range(200)]
        self.assertGreater(statuses("/direct").count(503), 3)
        # Once in some hundred runs all five tries of a request fail.
        self.assertLessEqual(200 - statuses("/").count(200), 1)
        self.assertIn("outrigger_retries_total{", self.request(metrics, target="/metrics").text)

    def serve(self, name, config, address):
        """nginx with this configuration, once `nginx -t` has taken it."""
        directory = os.path.join(self.directory, name)
        os.makedirs(directory)
        file = os.path.join(directory, "nginx.conf")
        with open(file, "w", encoding="utf-8") as out:
            out.write(config.replace("/tmp/nginx.pid", f"{directory}/pid"))
        words = ["nginx", "-p", directory, "-e", "stderr", "-c", file]
        run(*words, "-t")
        server = process.start([*words, "-g", "daemon off;"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        self.addCleanup(process.kill, server)

        def accepts():
            try:
                return self.request(address).status
            except ConnectionError:
                return False
        self.eventually(accepts, name)


if __name__ == "__main__":
    unittest.main()
