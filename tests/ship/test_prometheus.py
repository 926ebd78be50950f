"""deploy/prometheus by promtool, against the page of a real daemon, and in a real Prometheus."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

import yaml
from harness import Case, answers, by_target, free_address, hangs, process, resets
from ship import ROOT, run

HERE = ROOT / "deploy/prometheus"
CASES = ROOT / "tests/ship/prometheus"
RECORDS, ALERTS = "outrigger.rules.yml", "outrigger.alerts.yml"
TARGET_LABELS = {"job", "instance", "namespace", "pod", "zone"}


def load(path):
    return yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))


def rules(file):
    return [rule for group in load(HERE / file)["groups"] for rule in group["rules"]]


def write(path, content):
    pathlib.Path(path).write_text(yaml.safe_dump(content), encoding="utf-8")


class Files(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-prometheus-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def copy(self):
        for file in HERE.glob("*.yml"):
            shutil.copy(file, self.directory)

    def test_promtool_takes_the_configuration_and_the_rules(self):
        run("promtool", "check", "config", HERE / "prometheus.yml")
        run("promtool", "check", "rules", "--lint=all", "--lint-fatal", HERE / RECORDS, HERE / ALERTS)

    def test_the_cases_of_the_rules(self):
        self.copy()
        # promtool compares whole annotations; the descriptions have nothing of the case in them.
        alerts = load(HERE / ALERTS)
        for group in alerts["groups"]:
            for rule in group["rules"]:
                self.assertNotIn("{{", rule["annotations"].pop("description"), rule["alert"])
        write(self.directory / ALERTS, alerts)
        cases = [shutil.copy(file, self.directory) for file in CASES.glob("*.test.yml")]
        run("promtool", "test", "rules", *cases)

    def test_every_alert_has_cases_that_fire_and_cases_that_do_not(self):
        fires, silent = set(), set()
        for file in CASES.glob("*.test.yml"):
            for case in load(file)["tests"]:
                for alert in case.get("alert_rule_test", []):
                    (fires if alert.get("exp_alerts") else silent).add(alert["alertname"])
        alerts = {rule["alert"] for rule in rules(ALERTS)}
        self.assertEqual(alerts, fires)
        self.assertEqual(alerts, silent)

    def test_every_rule_is_named_and_labelled_as_the_others(self):
        for rule in rules(RECORDS):
            self.assertRegex(rule["record"], r"^(route|upstream):outrigger_[a-z_]+:[a-z0-9_]+$")
        for rule in rules(ALERTS):
            self.assertRegex(rule["alert"], r"^Outrigger[A-Z]\w+$")
            self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
            self.assertEqual({"summary", "description"}, set(rule["annotations"]))
            self.assertRegex(rule["annotations"]["description"], r"GET /[a-z]")

    def test_the_readme_has_every_alert_as_it_is(self):
        rows = re.findall(r"^\| (Outrigger\w+) \| (\w+) \| (\w+) \|",
                          (HERE / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual([(rule["alert"], rule["labels"]["severity"], rule.get("for", "0"))
                          for rule in rules(ALERTS)], rows)

    def test_the_readmes_command_makes_objects_for_the_operator(self):
        text = (HERE / "README.md").read_text(encoding="utf-8")
        command = re.search(r"```\n(for file .*?) \| kubectl apply -f -\n```", text, re.DOTALL)[1]
        made = list(filter(None, yaml.safe_load_all(run("bash", "-c", command, cwd=HERE))))
        self.assertEqual(["PrometheusRule"] * 2, [each["kind"] for each in made])
        self.assertEqual([load(HERE / file)["groups"] for file in (RECORDS, ALERTS)],
                         [each["spec"]["groups"] for each in made])

    # Debian's Prometheus is built without Kubernetes: made-up pods stand where it would find them.
    def test_which_pods_are_scraped_and_with_which_labels(self):
        def container(pod, port_name="", **more):
            meta = {"namespace": "shop", "pod_name": pod, "pod_phase": "Running",
                    "pod_ip": "10.1.2.3", "pod_container_port_name": port_name,
                    "node_label_topology_kubernetes_io_zone": "z1", **more}
            return {"targets": [more.get("address", "10.1.2.3:9902")],
                    "labels": {f"__meta_kubernetes_{name}": value for name, value in meta.items()
                               if name != "address"}}
        annotated = {"pod_annotation_outrigger_metrics_port": "9902"}
        pods = [
            container("chart", "outrigger-prom", pod_label_app_kubernetes_io_name="till"),
            container("chart", "http", address="10.1.2.3:80"),
            container("annotated", "http", address="10.1.2.4:80", pod_ip="10.1.2.4", **annotated),
            container("annotated", "grpc", address="10.1.2.4:90", pod_ip="10.1.2.4", **annotated),
            container("six", address="[fd00::1]:80", pod_ip="fd00::1", **annotated),
            container("done", "outrigger-prom", pod_phase="Succeeded"),
            container("other", "http", address="10.1.2.5:80"),
        ]
        self.copy()
        config = load(HERE / "prometheus-kubernetes.yml")
        job = config["scrape_configs"][0]
        self.assertEqual([{"role": "pod", "attach_metadata": {"node": True}}],
                         job.pop("kubernetes_sd_configs"))
        job["static_configs"] = pods
        file = self.directory / "pods.yml"
        write(file, config)
        run("promtool", "check", "config", file)
        found = json.loads(run("promtool", "check", "service-discovery", "--timeout=1s", file,
                               job["job_name"]))
        kept = {tuple(target["labels"].get(name, "") for name in
                      ("pod", "__address__", "job", "namespace", "zone", "instance"))
                for target in found if target.get("labels")}
        self.assertEqual({
            ("chart", "10.1.2.3:9902", "till", "shop", "z1", "10.1.2.3:9902"),
            ("annotated", "10.1.2.4:9902", "outrigger-pods", "shop", "z1", "10.1.2.4:9902"),
            ("six", "[fd00::1]:9902", "outrigger-pods", "shop", "z1", "[fd00::1]:9902"),
        }, kept)


class Catalogue(Case):
    def page(self):
        """Of a daemon to which everything has happened that the rules ask for."""
        good = self.origin(by_target(hang=hangs, other=answers()))
        bad = self.origin(answers(503))
        dead = [free_address(), free_address()]
        route = {"retry": {"retry_on": ["default"], "backoff": {"base": "1ms", "max": "1ms"}}}
        balanced = {"load_balancer": {"policy": "round_robin"}}

        def detection(**more):
            return {**balanced, "outlier_detection": {"consecutive_local_origin_failures": 1, **more}}
        upstreams = {
            "good": {"endpoints": [good.address.replace("127.0.0.1", "localhost")],
                     "circuit_breaker": {}},
            "poor": {"endpoints": [bad.address],
                     "retry_budget": {"percent": 0, "min_per_second": 0}},
            "capped": {"endpoints": [good.address, *dead], **detection()},
            "least": {"endpoints": dead, **detection(max_ejection_percent=100)},
        }
        daemon = self.start({
            "shutdown": {"delay": "0s", "drain_timeout": "1s", "outbound": "immediate"},
            "listeners": [{"name": "main", "routes": [
                {"name": name, "upstream": name, "match": {"path_prefix": f"/{name}"}, **route}
                for name in upstreams] +
                [{"name": "rest", "upstream": "good", "circuit_breaker": {}}]}],
            "upstreams": upstreams})
        for name in upstreams:
            for _ in range(8):
                self.request(daemon, target=f"/{name}")
        gone = self.client(daemon)
        gone.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        self.eventually(lambda: good.count(target="/hang") == 1, "a request that hangs")
        gone.close()
        daemon.wait_metric("requests_total", 1, code="499")
        return daemon.metrics()

    def test_the_rules_ask_for_what_a_page_has(self):
        page = self.page()
        text = os.path.join(self.directory, "page")
        pathlib.Path(text).write_text(page.text, encoding="utf-8")
        with open(text, encoding="utf-8") as file:
            self.assertEqual("", run("promtool", "check", "metrics", stdin=file))
        series = {}
        for name, labels, _ in page.series:
            series.setdefault(name, []).append(labels)
        recorded = {rule["record"] for rule in rules(RECORDS)}
        for rule in rules(RECORDS) + rules(ALERTS):
            with self.subTest(rule.get("record") or rule["alert"]):
                self.asks_for_what_is_there(rule["expr"], series, recorded)

    def asks_for_what_is_there(self, expression, series, recorded):
        known = set(TARGET_LABELS)
        for name, matchers in re.findall(r"([\w:]*(?:outrigger|process)_[\w:]+)(?:\{([^}]*)\})?",
                                         expression):
            if ":" in name:
                self.assertIn(name, recorded)
                level = next(rule["expr"] for rule in rules(RECORDS) if rule["record"] == name)
                by = re.search(r"by \(([^)]*)\)", level)
                known.update(re.split(r", *", by[1]) if by else ["listener", "route", "upstream"])
                continue
            self.assertTrue(name in series, f"the page has no {name}")
            known.update(*series[name])
            for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', matchers):
                have = {labels[label] for labels in series[name] if label in labels}
                self.assertTrue(have, f"{name} has no label {label}")
                wanted = value.split("|") if operator == "=~" else [value]
                for each in wanted if operator != "!=" else []:
                    self.assertTrue(any(re.fullmatch(each, one) for one in have),
                                    f"no {name} with {label}={each}, only {sorted(have)}")
        for labels in re.findall(r"\b(?:by|on|ignoring|without) \(([^)]*)\)", expression):
            self.assertLessEqual(set(re.split(r", *", labels)), known)


class InPrometheus(Case):
    """The shipped scrape configuration and rules in a real Prometheus, on another time scale: it
    scrapes and evaluates each half second, and windows and `for` are of seconds."""

    WINDOWS = {"5m": "3s", "10m": "3s", "15m": "3s", "30m": "3s", "1h": "5s", "6h": "5s", "1d": "1d"}

    def start_prometheus(self, target):
        directory = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        config = load(HERE / "prometheus.yml")
        config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms",
                            "evaluation_interval": "500ms"}
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
        write(directory / "prometheus.yml", config)
        for file in config["rule_files"]:
            content = load(HERE / file)
            for group in content["groups"]:
                for rule in group["rules"]:
                    rule["expr"] = re.sub(r"\[(\w+)\]", lambda m: f"[{self.WINDOWS[m[1]]}]",
                                          rule["expr"])
                    if "for" in rule:
                        rule["for"] = "1s"
            write(directory / file, content)
        self.address = free_address()
        with open(directory / "log", "wb") as log:
            server = process.start(["prometheus", f"--config.file={directory}/prometheus.yml",
                                    f"--storage.tsdb.path={directory}/data",
                                    f"--web.listen-address={self.address}"],
                                   stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(process.kill, server)

    def ask(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}", timeout=10) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):  # not up yet
            return None

    def firing(self):
        return {alert["labels"]["alertname"]: alert for alert in (self.ask("alerts") or {}).get("alerts", [])
                if alert["state"] == "firing"}

    def recorded(self):
        answer = self.ask("query?query=" + urllib.request.quote('{__name__=~"(route|upstream):.+"}'))
        return {each["metric"]["__name__"] for each in (answer or {}).get("result", [])}

    def wait_firing(self, *names, traffic=lambda: None):
        def look():
            traffic()
            alerts = self.firing()
            return alerts if alerts.keys() >= set(names) else None
        alerts = self.eventually(look, f"{names} firing")
        for name in names:
            for text in alerts[name]["annotations"].values():
                self.assertNotRegex(text, r"<no value>|<error|%!")
        return alerts

    def test_what_breaks_is_told(self):
        origin = self.origin()
        daemon = self.proxy(origin, upstream={"circuit_breaker": {"open_for": "1s", "max_open_for": "1s"}})
        self.start_prometheus(daemon.admin_address)

        def traffic():
            for _ in range(10):
                self.request(daemon)
        self.eventually(lambda: traffic() or "route:outrigger_requests:rate5m" in self.recorded(),
                        "a recorded rate")
        self.eventually(lambda: traffic() or not self.firing(), "no alert of what is well")

        origin.behave = resets
        alerts = self.wait_firing("OutriggerErrorShareHigh", "OutriggerBreakerOpen", traffic=traffic)
        labels = alerts["OutriggerErrorShareHigh"]["labels"]
        self.assertEqual(("outrigger", "main", "r", "critical"),
                         tuple(labels[name] for name in ("job", "listener", "route", "severity")))
        self.assertNotIn("OutriggerReloadFailed", alerts)
        self.assertNotIn("OutriggerTargetDown", alerts)
        records = {rule["record"] for rule in rules(RECORDS)}
        self.eventually(lambda: traffic() or self.recorded() == records, "a series of every record")

        origin.behave = answers()
        self.eventually(lambda: traffic() or not {"OutriggerErrorShareHigh", "OutriggerBreakerOpen"}
                        & self.firing().keys(), "the end of the alerts")

        daemon.write_config("listeners: 1\n")
        daemon.signal(signal.SIGHUP)
        self.wait_firing("OutriggerReloadFailed")
        for group in self.ask("rules")["groups"]:
            for rule in group["rules"]:
                self.assertEqual("ok", rule["health"], (rule["name"], rule.get("lastError")))

        self.assertEqual(0, daemon.terminate())
        alerts = self.wait_firing("OutriggerTargetDown", "OutriggerAbsent")
        self.assertEqual(daemon.admin_address, alerts["OutriggerTargetDown"]["labels"]["instance"])
