"""The rendered Deployment as a real pod: application and sidecar on one loopback, by podman.

Podman plays no init container that stays and no probes or hooks of an image without a shell, so the
sidecar is moved beside the application, and what kubelet would ask and call is asked and called here.
The pod has no network but its loopback, so callers and partners are let into it by nsenter.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest

import yaml

import manifests
import tools
from ship import BINARY, ROOT, run, slow

RELEASE = "outrigger-pod-test"
SIDECAR = "localhost/outrigger-pod-sidecar"
APP = "localhost/outrigger-pod-app"
VOLUMES = f"{RELEASE}-outrigger", "pod-test-nginx", "pod-test-tmp"

VALUES = {
    "image": {"repository": SIDECAR, "tag": "test", "pullPolicy": "Never"},
    "replicas": 1,
    "podLabels": {"topology.kubernetes.io/zone": "zone-a"},
    "config": {
        "shutdown": {"delay": "1s", "drain_timeout": "10s"},
        "listeners": [
            {"name": "ingress", "address": "0.0.0.0:8000", "direction": "inbound",
             "routes": [{"upstream": "app"}]},
            {"name": "egress", "address": "127.0.0.1:8001", "routes": [
                {"upstream": "partner", "retry": {"max_retries": 2}}]}],
        "upstreams": {
            "app": {"endpoints": ["127.0.0.1:8080"]},
            "partner": {"endpoints": ["127.0.0.1:9001", "127.0.0.1:9002"],
                        "load_balancer": {"policy": "round_robin"}}}},
    "app": {
        "image": f"{APP}:test", "imagePullPolicy": "Never",
        "command": ["/usr/sbin/nginx", "-e", "stderr", "-c", "/etc/nginx/nginx.conf"],
        "volumes": [{"name": "pod-test-tmp", "emptyDir": {}},
                    {"name": "pod-test-nginx", "configMap": {"name": "pod-test-nginx"}}],
        "volumeMounts": [{"name": "pod-test-tmp", "mountPath": "/tmp"},
                         {"name": "pod-test-nginx", "mountPath": "/etc/nginx"}]},
}

# The application: it answers itself, answers slowly, and asks its partner through the sidecar.
NGINX = """
daemon off;
pid /tmp/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
  server {
    listen 127.0.0.1:8080;
    location / { return 200 "the application\\n"; }
    location /slow { limit_rate 1k; return 200 "%s"; }
    location /partner { proxy_pass http://127.0.0.1:8001; }
  }
}
""" % ("x" * 3000)


def podman(*words):
    # runc cannot make its cgroups in a hybrid tree, and cannot raise limits above the host's.
    return run("unshare", "-m", "sh", "-c",
               'umount /sys/fs/cgroup/unified 2>/dev/null; exec podman "$@"', "podman",
               *words, env=os.environ | {"CONTAINERS_CONF": str(podman.settings)}, timeout=120)


def bare_image(name, program):
    """A program and the libraries that it is linked to, and nothing else."""
    container = run("buildah", "from", "scratch").strip()
    libraries = re.findall(r"(/\S+) \(0x", run("ldd", program))
    with tempfile.TemporaryDirectory() as root:
        for path in [program, *libraries]:
            inside = "/usr/bin/outrigger" if path == BINARY else path
            run("install", "-D", path, root + inside)
        for path, mode in ("tmp", 0o1777), ("etc/nginx", 0o755), ("etc/outrigger", 0o755):
            pathlib.Path(root, path).mkdir(parents=True, exist_ok=True)
            os.chmod(f"{root}/{path}", mode)
        os.chmod(root, 0o755)
        run("buildah", "add", container, root, "/")
    run("buildah", "commit", "--rm", container, f"{name}:test")


def rendered():
    """The pod's documents, made fit for podman, and the sidecar's container as it was rendered."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as values:
        yaml.safe_dump(VALUES, values)
        values.flush()
        documents = manifests.load_all(run(
            tools.helm("4"), "template", RELEASE, ROOT / "helm/outrigger", "-f", values.name,
            "--kube-version", "1.34.0"))
    deployment = manifests.find(documents, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    sidecar = pod.pop("initContainers")[0]
    pod["containers"].insert(0, {**sidecar})
    pod["restartPolicy"] = "Never"  # so is it while kubelet ends a pod
    for container in pod["containers"]:
        for key in ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle",
                    "restartPolicy"):
            container.pop(key, None)
    nginx = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pod-test-nginx"},
             "data": {"nginx.conf": NGINX}}
    return [nginx, manifests.find(documents, "ConfigMap"), deployment], sidecar


@slow
class Pod(unittest.TestCase):
    """One pod and its life, in the order of the names."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.home = pathlib.Path(scratch.name)
        podman.settings = cls.home / "containers.conf"
        podman.settings.write_text('[containers]\ndefault_ulimits = ["nofile=20000:20000", '
                                   '"nproc=4096:4096"]\n[engine]\nruntime = "runc"\n')
        for name, program in (SIDECAR, BINARY), (APP, "/usr/sbin/nginx"):
            bare_image(name, program)
            cls.addClassCleanup(podman, "rmi", f"{name}:test")
        documents, cls.rendered = rendered()
        (cls.home / "pod.yaml").write_text("\n---\n".join(map(json.dumps, documents)))
        cls.remove()
        cls.addClassCleanup(cls.remove)
        podman("kube", "play", "--network", "none", cls.home / "pod.yaml")
        cls.sidecar = podman("ps", "-aq", "--filter", f"name={RELEASE}.*-outrigger$").strip()
        cls.pid = podman("inspect", cls.sidecar, "--format", "{{.State.Pid}}").strip()
        cls.partners = []
        for port in 9001, 9002:
            site = cls.home / str(port)
            site.mkdir()
            (site / "partner").write_text(f"partner {port}\n")
            partner = subprocess.Popen(
                ["nsenter", "-t", cls.pid, "-n", "/usr/bin/python3", "-m", "http.server", "-b",
                 "127.0.0.1", "-d", site, str(port)], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            cls.addClassCleanup(lambda it=partner: (it.kill(), it.wait()))
            cls.partners.append(partner)
            cls.eventually(lambda url=f"http://127.0.0.1:{port}/partner": cls.ask(url)[0] == "200")
        cls.eventually(lambda: cls.ask("http://127.0.0.1:8080/")[0] == "200")

    @classmethod
    def remove(cls):
        for pod in podman("pod", "ls", "-q", "--filter", f"name={RELEASE}").split():
            podman("pod", "rm", "-f", pod)
        there = podman("volume", "ls", "-q").split()
        for volume in set(VOLUMES) & set(there):
            podman("volume", "rm", volume)

    @staticmethod
    def eventually(true, seconds=20):
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise AssertionError("it never came")
            time.sleep(0.05)

    @classmethod
    def ask(cls, url):
        """Status and body; "000" where nobody is there."""
        done = subprocess.run(["nsenter", "-t", cls.pid, "-n", "curl", "-s", "-m", "20", "-w",
                               "%{stderr}%{http_code}", url], capture_output=True, text=True,
                              check=False)
        return done.stderr, done.stdout

    def metric(self, name, **labels):
        status, page = self.ask("http://127.0.0.1:9902/metrics")
        self.assertEqual("200", status)
        return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
                   if re.match(rf"outrigger_{name}[ {{]", line)
                   and all(f'{key}="{value}"' in line for key, value in labels.items()))

    def test_1_it_runs_with_what_it_needs_and_no_more(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        self.assertIn("Uid:\t65532\t65532\t65532\t65532", status)
        self.assertIn("CapEff:\t0000000000000000", status)
        self.assertIn("NoNewPrivs:\t1", status)
        self.assertEqual("true\n", podman("inspect", self.sidecar, "--format",
                                          "{{.HostConfig.ReadonlyRootfs}}"))
        environment = json.loads(podman("inspect", self.sidecar, "--format",
                                        "{{json .Config.Env}}"))
        self.assertIn("ZONE=zone-a", environment)
        self.assertRegex("\n".join(environment), f"POD_NAME={RELEASE}")
        # The limit of the chart's resources, as the daemon sees it: a quarter of 128Mi.
        self.assertEqual(32 << 20, self.metric("buffered_bytes_limit"))
        resident = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])
        self.assertLess(resident, 32 << 10)  # the request of the chart

    def test_2_its_probes_and_commands_find_it(self):
        port = self.rendered["ports"][0]["containerPort"]
        for probe in "startupProbe", "readinessProbe", "livenessProbe":
            path = self.rendered[probe]["httpGet"]["path"]
            self.assertEqual("200", self.ask(f"http://127.0.0.1:{port}{path}")[0])
        for command in (["healthcheck"], ["healthcheck", "-c", "/etc/outrigger/outrigger.yaml"],
                        # the hook of a plain container
                        ["wait-ready", "--timeout", "60s", "-c", "/etc/outrigger/outrigger.yaml"]):
            self.assertEqual("ready\n", podman("exec", self.sidecar, "/usr/bin/outrigger",
                                               *command))

    def test_3_traffic_comes_in_and_goes_out_through_it(self):
        self.assertEqual(("200", "the application\n"), self.ask("http://127.0.0.1:8000/"))
        bodies = {self.ask("http://127.0.0.1:8000/partner") for _ in range(4)}
        self.assertEqual({("200", "partner 9001\n"), ("200", "partner 9002\n")}, bodies)
        self.assertGreaterEqual(self.metric("requests_total", listener="ingress", code="200"), 5)
        self.assertGreaterEqual(self.metric("requests_total", listener="egress", code="200"), 4)

    def test_4_callers_do_not_notice_that_a_partner_dies(self):
        answers = []
        for i in range(60):
            if i == 20:
                self.partners[0].kill()
                self.partners[0].wait()
            answers.append(self.ask("http://127.0.0.1:8000/partner"))
        self.assertEqual({"200"}, {status for status, _ in answers})
        self.assertEqual({"partner 9002\n"}, {body for _, body in answers[21:]})
        self.assertGreater(self.metric("retries_total", reason="connect-failure"), 0)
        self.assertEqual(1, self.metric("outlier_ejections_total", upstream="partner"))
        self.assertEqual(1, self.metric("upstream_endpoints", upstream="partner", state="ejected"))
        self.assertEqual(0, self.metric("local_replies_total"))

    def test_5_the_hook_drains_it(self):
        in_flight = subprocess.Popen(
            ["nsenter", "-t", self.pid, "-n", "curl", "-s", "http://127.0.0.1:8000/slow"],
            stdout=subprocess.PIPE, text=True)
        self.eventually(lambda: self.metric("requests_in_flight", listener="ingress") == 1)
        podman("exec", self.sidecar, *self.rendered["lifecycle"]["preStop"]["exec"]["command"])
        while (status := self.ask("http://127.0.0.1:8000/")[0]) == "200":  # for the delay
            self.assertIn(self.ask("http://127.0.0.1:9902/readyz")[0], ("503", "000"))
        self.assertEqual("000", status)  # closed, not answered with an error
        self.assertEqual("x" * 3000, in_flight.communicate(timeout=20)[0])
        self.eventually(lambda: not pathlib.Path("/proc", self.pid).exists())
        self.eventually(lambda: podman("inspect", self.sidecar, "--format", "{{.State.Status}} "
                                       "{{.State.ExitCode}}") == "exited 0\n")


if __name__ == "__main__":
    unittest.main()
