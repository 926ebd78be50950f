"""The Helm chart, by the real Helm 3 and 4: what it renders, what it refuses, what its README says."""

import concurrent.futures
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

import manifests
import tools
from ship import BINARY, BUILD, ROOT, run

CHART = ROOT / "helm/outrigger"
VALUE_SETS = sorted((CHART / "ci").glob("*-values.yaml"))
EXAMPLES = [ROOT / "config/examples/minimal.yaml", ROOT / "config/examples/full.yaml",
            *sorted((ROOT / "config/examples/scenarios").glob("*.config.yaml")),
            ROOT / "config/examples/scenarios/retry-storm.second-hop.yaml"]
HELMS = "3", "4"
OLD, NATIVE, NEW = "1.28.9-gke.1", "1.29.0-gke.1", "1.34.0"  # a plain container, native, and sleep


def template(*words, helm="4", kube=NEW, chart=CHART, name="shop"):
    return manifests.load_all(run(tools.helm(helm), "template", name, chart, "--kube-version", kube,
                                  *words))


def deployment(*words, **options):
    """The spec of the rendered Deployment's pods."""
    return manifests.find(template(*words, **options), "Deployment")["spec"]["template"]["spec"]


def with_config(config):
    """Words for Helm: this configuration."""
    return "--set-json", "config=" + json.dumps(config)


def sidecar(pod):
    found = [each for each in pod.get("initContainers", []) + pod["containers"]
             if each["name"] == "outrigger"]
    assert len(found) == 1, found
    return found[0]


def configuration(documents):
    """The text of outrigger.yaml."""
    return manifests.find(documents, "ConfigMap")["data"]["outrigger.yaml"]


def check(text, *words):
    """What `outrigger check` says of a text; raises where it is refused."""
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch, "outrigger.yaml")
        path.write_text(text, encoding="utf-8")
        done = subprocess.run([BINARY, "check", "-c", path, *words], capture_output=True, text=True,
                              env=os.environ | {"POD_NAME": "shop-0", "ZONE": "a"}, check=False,
                              timeout=60)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{text}"
    return done.stdout + done.stderr


def inbound_config(**more):
    return {"listeners": [{"address": "0.0.0.0:8000", "direction": "inbound",
                           "routes": [{"upstream": "app"}]}],
            "upstreams": {"app": {"endpoints": ["127.0.0.1:8080"]}}, **more}


def outbound_config(**more):
    return {"listeners": [{"address": "127.0.0.1:8001", "routes": [{"upstream": "stock"}]}],
            "upstreams": {"stock": {"endpoints": ["10.0.0.1:80"]}}, **more}


@functools.cache
def rendered():
    """Every value set by each Helm for each kind of cluster: {name: documents}."""
    cases = [(helm, kube, values) for helm in HELMS for kube in ("1.25.0", OLD, NATIVE, NEW)
             for values in VALUE_SETS]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda case: template("-f", case[2], helm=case[0], kube=case[1]),
                              cases))
    return {f"{values.name}, Helm {helm}, Kubernetes {kube}": documents
            for (helm, kube, values), documents in zip(cases, found)}


class Chart(unittest.TestCase):
    def test_lint_is_strict_about_every_value_set(self):
        for helm in HELMS:
            for values in VALUE_SETS:
                with self.subTest(helm=helm, values=values.name):
                    run(tools.helm(helm), "lint", "--strict", CHART, "-f", values)

    def test_both_helms_render_the_same(self):
        self.assertGreaterEqual(len(VALUE_SETS), 6)
        for name, documents in rendered().items():
            if "Helm 3" in name:
                other = rendered()[name.replace("Helm 3", "Helm 4")]
                order = lambda each: (each["kind"], each["metadata"]["name"])
                self.assertEqual(sorted(documents, key=order), sorted(other, key=order), name)

    def test_all_of_it_fits_the_types_of_the_api(self):
        self.assertEqual([], manifests.errors(rendered()))

    def test_a_misspelt_field_would_be_found(self):
        documents = template("-f", CHART / "ci/both-values.yaml")
        broken, expected = {}, []
        for kind, path, key in (
                ("Deployment", ["spec", "template", "spec", "initContainers", 0], "readinesProbe"),
                ("HorizontalPodAutoscaler", ["spec", "behavior", "scaleUp"], "stabilisationWindow"),
                ("PodMonitor", ["spec", "podMetricsEndpoints", 0], "intervall"),
                ("Service", ["spec", "ports", 0], "port")):  # which is no text
            document = json.loads(json.dumps(manifests.find(documents, kind)))
            functools.reduce(lambda at, step: at[step], path, document)[key] = "1"
            broken[kind] = [document]
            expected.append((kind, key))
        wrong = manifests.errors(broken)
        self.assertEqual(len(expected), len(wrong), wrong)
        for (kind, key), line in zip(expected, wrong):
            self.assertTrue(line.startswith(kind) and f'"{key}": "1"' in line, line)

    def test_names_and_selectors_meet(self):
        for name, documents in rendered().items():
            with self.subTest(name):
                whole = manifests.find(documents, "Deployment")
                labels = whole["spec"]["template"]["metadata"]["labels"].items()
                pod = whole["spec"]["template"]["spec"]
                selectors = [whole["spec"]["selector"]["matchLabels"],
                             manifests.find(documents, "Service")["spec"]["selector"]]
                for each in documents:
                    if each["kind"] in ("PodDisruptionBudget", "PodMonitor"):
                        selectors.append(each["spec"]["selector"]["matchLabels"])
                for selector in selectors:
                    self.assertLessEqual(selector.items(), labels)
                containers = pod.get("initContainers", []) + pod["containers"]
                ports = [port["name"] for each in containers for port in each.get("ports", [])]
                self.assertEqual(len(set(ports)), len(ports))
                for each in ports:
                    self.assertRegex(each, r"^[a-z][a-z0-9-]{0,14}$")
                volumes = {each["name"] for each in pod.get("volumes", [])}
                for each in containers:
                    mounted = {mount["name"] for mount in each.get("volumeMounts", [])}
                    self.assertLessEqual(mounted, volumes)

    def test_package(self):
        for helm in HELMS:
            with tempfile.TemporaryDirectory() as scratch:
                run(tools.helm(helm), "package", CHART, "-d", scratch)
                archive, = pathlib.Path(scratch).glob("*.tgz")
                self.assertEqual(template("-f", VALUE_SETS[0], helm=helm),
                                 template("-f", VALUE_SETS[0], helm=helm, chart=archive))
                self.assertNotIn("/ci/", run("tar", "tzf", archive))

    def test_notes(self):
        for values in VALUE_SETS:
            with self.subTest(values.name):
                notes = run(tools.helm("4"), "install", "--dry-run=client", "shop", CHART, "-f",
                            values).split("NOTES:\n")[1]
                self.assertNotRegex(notes, r"no value|%!|map\[")
                on = "off-values" not in values.name
                self.assertEqual(on, "/metrics | grep" in notes)
                self.assertEqual(on and "text" not in values.name, "/upstreams" in notes)

    def test_the_version_is_the_programs(self):
        version = run(BINARY, "version").split()[1]
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        self.assertEqual([version] * 2, [chart["appVersion"], values["image"]["tag"]])


class Configuration(unittest.TestCase):
    def test_what_is_rendered_passes_the_check(self):
        for name, documents in rendered().items():
            with self.subTest(name):
                if "off-values" not in name and "existing-values" not in name:
                    self.assertIn("fine", check(configuration(documents)))

    def test_the_example_has_nothing_to_be_warned_of(self):
        check(configuration(template()), "--strict")

    def test_every_example_survives_the_round_trip(self):
        for helm in HELMS:
            for example in EXAMPLES:
                with self.subTest(helm=helm, example=example.name):
                    text = example.read_text(encoding="utf-8")
                    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as values:
                        values.write("config:\n" + re.sub("^", "  ", text, flags=re.M))
                        values.flush()
                        back = configuration(template("-f", values.name, "--set",
                                                      "service.targetPort=8000", helm=helm))
                    warnings = lambda said: re.findall(r"warning\[([\w-]+)\]", said)
                    self.assertEqual(warnings(check(text)), warnings(check(back)))
                    expected = manifests.load(text)  # which reads off as false, too
                    expected.setdefault("node", {"id": "${POD_NAME:-}", "zone": "${ZONE:-}"})
                    expected.setdefault("metrics", {"address": "0.0.0.0:9902"})
                    self.assertEqual(expected, manifests.load(back))

    def test_large_and_odd_numbers_come_through(self):
        limits = {"max_head_bytes": 1048576, "max_body_bytes": 123456789012}
        config = inbound_config()
        config["listeners"][0]["limits"] = limits
        config["upstreams"]["app"]["retry_budget"] = {"min_per_second": 0.05}
        for helm in HELMS:
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as values:
                yaml.safe_dump({"config": config}, values)
                values.flush()
                text = configuration(template("-f", values.name, helm=helm))
            back = manifests.load(text)
            check(text)
            self.assertEqual(limits, back["listeners"][0]["limits"])
            self.assertEqual(0.05, back["upstreams"]["app"]["retry_budget"]["min_per_second"])

    def test_a_text_is_left_as_it_is(self):
        for helm in HELMS:
            values = CHART / "ci/text-values.yaml"
            text = configuration(template("-f", values, helm=helm))
            self.assertEqual(yaml.safe_load(values.read_text())["config"], text)
            self.assertIn("# Ours.", text)

    def test_what_is_written_is_not_overridden(self):
        config = manifests.load(configuration(template(*with_config(inbound_config(
            node={"id": "me"}, metrics={"address": "[::]:9102", "endpoint_labels": True},
            check={"ignore": ["fd-limit"]}, shutdown={"drain_timeout": "1m"})))))
        self.assertEqual({"id": "me", "zone": "${ZONE:-}"}, config["node"])
        self.assertEqual({"address": "[::]:9102", "endpoint_labels": True}, config["metrics"])
        self.assertEqual(["fd-limit", "drain-beyond-grace"], config["check"]["ignore"])
        self.assertEqual({"drain_timeout": "1m"}, config["shutdown"])

    def test_a_new_configuration_makes_new_pods_and_nothing_else_does(self):
        def checksum(*words):
            found = manifests.find(template(*words), "Deployment")
            return found["spec"]["template"]["metadata"].get("annotations", {}).get(
                "checksum/outrigger-config")
        one = checksum(*with_config(inbound_config()))
        self.assertRegex(one, "^[0-9a-f]{64}$")
        self.assertEqual(one, checksum(*with_config(inbound_config()), "--set", "replicas=5"))
        self.assertNotEqual(one, checksum(*with_config(inbound_config(workers=2))))
        self.assertIsNone(checksum(*with_config(inbound_config()), "--set", "watch=true"))
        self.assertIsNone(checksum("-f", CHART / "ci/existing-values.yaml"))

    def test_watch(self):
        args = sidecar(deployment("--set", "watch=true"))["args"]
        self.assertEqual(["run", "-c", "/etc/outrigger/outrigger.yaml", "--watch"], args)
        mounts = sidecar(deployment("--set", "watch=true"))["volumeMounts"]
        self.assertNotIn("subPath", mounts[0])  # which would never be swapped

    def test_a_config_map_of_ones_own(self):
        documents = template("-f", CHART / "ci/existing-values.yaml")
        self.assertNotIn("ConfigMap", [each["kind"] for each in documents])
        pod = manifests.find(documents, "Deployment")["spec"]["template"]["spec"]
        self.assertEqual({"name": "shop-proxy", "items": [
            {"key": "proxy.yaml", "path": "outrigger.yaml"}]}, pod["volumes"][0]["configMap"])
        self.assertEqual(45, pod["terminationGracePeriodSeconds"])
        self.assertEqual(9000, sidecar(pod)["ports"][0]["containerPort"])


class Pod(unittest.TestCase):
    def test_native_from_1_29_on(self):
        for helm in HELMS:
            for kube, native in ("1.25.0", False), (OLD, False), (NATIVE, True), (NEW, True):
                pod = deployment(helm=helm, kube=kube)
                where = "initContainers" if native else "containers"
                self.assertEqual("outrigger", pod[where][0]["name"])
                self.assertEqual("Always" if native else None, sidecar(pod).get("restartPolicy"))
        self.assertEqual("outrigger", deployment("--set", "native=false")["containers"][0]["name"])
        self.assertIn("initContainers", deployment("--set", "native=true", kube=OLD))

    def test_hooks(self):
        file = "/etc/outrigger/outrigger.yaml"
        admin = ["--admin", "127.0.0.1:9901"]
        drain = ["/usr/bin/outrigger", "drain", *admin]
        hooks = lambda config, **options: {
            name: hook["exec"]["command"] for name, hook in sidecar(
                deployment(*with_config(config), **options)).get("lifecycle", {}).items()}
        self.assertEqual({"preStop": drain}, hooks(inbound_config()))
        # Not by the file, which is the next release's by the time an old pod ends.
        self.assertEqual({"preStop": [*drain[:-1], "127.0.0.1:9999", "--token-file", "/run/t"]}, hooks(
            inbound_config(admin={"address": "127.0.0.1:9999", "token_file": "/run/t"})))
        self.assertEqual({"preStop": [*drain[:2], "-c", file]}, hooks(
            inbound_config(admin={"address": "${ADMIN}"})))
        self.assertNotIn("postStart", sidecar(deployment(
            "--set", "probes.startup.path=/healthz", *with_config(inbound_config()), kube=OLD))["lifecycle"])
        self.assertEqual({}, hooks(outbound_config()))
        self.assertEqual({}, hooks(inbound_config(admin=False)))
        self.assertEqual({}, hooks(inbound_config(admin=False), kube=OLD))
        for config in inbound_config(), outbound_config():
            self.assertEqual({
                "postStart": ["/usr/bin/outrigger", "wait-ready", "--timeout", "60s", *admin],
                "preStop": ["/usr/bin/outrigger", "drain", "--wait", "--timeout", "30s", *admin],
            }, hooks(config, kube=OLD))
        for command in ["drain", "wait-ready"]:  # the words are the program's
            self.assertIn("--timeout", run(BINARY, command, "--help"))

    def test_the_application_stays_while_callers_still_come(self):
        app = lambda config, **options: deployment(
            *with_config(config), **options)["containers"][-1].get("lifecycle")
        self.assertEqual({"preStop": {"sleep": {"seconds": 6}}}, app(inbound_config()))
        self.assertEqual({"preStop": {"exec": {"command": ["sleep", "4"]}}},
                         app(inbound_config(shutdown={"delay": "2.5s"}), kube=NATIVE))
        self.assertIsNone(app(outbound_config()))

    def test_without_the_order_of_a_native_sidecar_outbound_calls_have_all_the_time(self):
        shutdown = lambda config, kube: manifests.load(configuration(
            template(*with_config(config), kube=kube))).get("shutdown")
        self.assertEqual({"outbound": "until_timeout"}, shutdown(outbound_config(), OLD))
        self.assertIsNone(shutdown(outbound_config(), NEW))
        self.assertIsNone(shutdown(inbound_config(), OLD))
        chosen = {"outbound": "immediate"}
        self.assertEqual(chosen, shutdown(outbound_config(shutdown=chosen), OLD))

    def test_the_grace_period_fits_the_configuration(self):
        for shutdown, seconds in (
                (None, 30), ({"delay": "8s", "drain_timeout": "1.5m"}, 103),
                ({"delay": "250ms", "drain_timeout": 0}, 6), ({"drain_timeout": "1h"}, 3610),
                ({"delay": 0, "drain_timeout": "500ms"}, 6), ({"delay": "10s"}, 35)):
            config = inbound_config(**({"shutdown": shutdown} if shutdown else {}))
            for helm in HELMS:
                documents = template(*with_config(config), helm=helm)
                pod = manifests.find(documents, "Deployment")["spec"]["template"]["spec"]
                self.assertEqual(seconds, pod["terminationGracePeriodSeconds"], shutdown)
                self.assertNotIn("drain-beyond-grace", check(configuration(documents)))
        config = inbound_config(shutdown={"drain_timeout": "1h"})
        words = *with_config(config), "--set", "terminationGracePeriodSeconds=40"
        self.assertEqual(40, deployment(*words)["terminationGracePeriodSeconds"])
        self.assertIn("drain-beyond-grace", check(configuration(template(*words))))

    def test_it_may_do_nothing_that_it_does_not_need(self):
        for name, documents in rendered().items():
            if "off-values" in name:
                continue
            pod = manifests.find(documents, "Deployment")["spec"]["template"]["spec"]
            self.assertEqual({
                "runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532,
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
            }, sidecar(pod)["securityContext"], name)
            self.assertIs(False, pod["automountServiceAccountToken"])

    def test_probes_ask_where_the_metrics_are(self):
        box = sidecar(deployment(*with_config(inbound_config(metrics={"address": "[::]:9102"}))))
        self.assertEqual([{"name": "outrigger-prom", "containerPort": 9102}], box["ports"])
        for probe, path in (("startupProbe", "/readyz"), ("readinessProbe", "/readyz"),
                            ("livenessProbe", "/healthz")):
            self.assertEqual({"path": path, "port": "outrigger-prom"}, box[probe]["httpGet"])

    def test_the_zone(self):
        def zone(*words):
            found = [each for each in sidecar(deployment(*words))["env"] if each["name"] == "ZONE"]
            return found[0].get("value") or found[0]["valueFrom"]["fieldRef"]["fieldPath"]
        self.assertEqual("metadata.labels['topology.kubernetes.io/zone']", zone())
        self.assertEqual("metadata.annotations['z']", zone("--set", "zone.annotation=z"))
        self.assertEqual("eu-1a", zone("--set", "zone.value=eu-1a"))

    def test_the_service_leads_to_the_sidecar(self):
        port = lambda config: manifests.find(template(*with_config(config)), "Service")["spec"][
            "ports"][0]["targetPort"]
        self.assertEqual(8000, port(inbound_config()))
        self.assertEqual(8080, port(outbound_config()))
        config = inbound_config(metrics={"address": "0.0.0.0:${METRICS}"})
        config["listeners"][0]["address"] = "0.0.0.0:${PORT}"
        with self.assertRaisesRegex(AssertionError, "set service.targetPort"):  # not past it
            template(*with_config(config))
        pod = deployment(*with_config(config), "--set", "service.targetPort=1,metricsPort=9000")
        self.assertEqual(9000, sidecar(pod)["ports"][0]["containerPort"])

    def test_off_is_off(self):
        documents = template("-f", CHART / "ci/off-values.yaml")
        self.assertNotIn("outrigger-prom", json.dumps(documents))
        self.assertEqual(["app"], [each["name"] for each in manifests.find(
            documents, "Deployment")["spec"]["template"]["spec"]["containers"]])


class Refused(unittest.TestCase):
    def refused(self, *words, helms=HELMS):
        said = ""
        for helm in helms:
            with self.assertRaises(AssertionError, msg=words) as caught:
                template(*words, helm=helm)
            said += str(caught.exception)
        return said

    def test_unknown_and_wrong_values(self):
        for word, path in (
                ("podMonitor.enabld=true", "enabld"), ("replica=3", "replica"),
                ("metricsPort=99999", "metricsPort"), ("native=perhaps", "native"),
                ("image.digest=latest", "image"), ("image.pullPolicy=Sometimes", "pullPolicy"),
                ("watch=1", "watch"), ("zone=eu-1a", "zone"), ("podMonitor.interval=30", "interval"),
                ("topologySpread.whenUnsatisfiable=Never", "whenUnsatisfiable"),
                ("hpa.minReplicas=0", "minReplicas"), ("service.type=Cluster", "type"),
                ("extraVolumes[0].name=outrigger-config", "extraVolumes")):
            with self.subTest(word):
                self.assertIn(path, self.refused("--set", word))

    def test_a_wrong_configuration(self):
        config = inbound_config()
        config["listeners"][0]["routes"][0]["retry"] = {"max_retires": 2}
        for said in self.refused(*with_config(config), helms="3"), self.refused(
                *with_config(config), helms="4"):
            self.assertIn("max_retires", said)
            self.assertRegex(said, r"config.listeners.0.routes.0.retry")

    def test_what_cannot_be_together(self):
        self.assertIn("which one is it?", self.refused(
            *with_config(inbound_config()), "--set", "existingConfigMap.name=x"))
        self.assertIn("names no metrics.address", self.refused("--set", "config=listeners: []"))
        self.assertIn("no YAML map", self.refused("--set", "config=a: b: c"))
        for address in "127.0.0.1:9902", "unix:/run/x", False, "[::1]:9902":
            self.assertIn("neither probes nor Prometheus", self.refused(
                *with_config(inbound_config(metrics={"address": address}))))
        self.assertIn("no terminationGracePeriodSeconds can be computed", self.refused(
            *with_config(inbound_config(shutdown={"drain_timeout": "${DRAIN:-9s}"}))))


class OwnChart(unittest.TestCase):
    """The README's own words, followed."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(dir=BUILD)
        cls.addClassCleanup(cls.scratch.cleanup)
        home = pathlib.Path(cls.scratch.name)
        shutil.copytree(CHART, home / "outrigger")
        readme = (CHART / "README.md").read_text(encoding="utf-8")
        cls.files = dict(re.findall(r"```yaml\n# (shop/\S+)\n(.*?)```", readme, flags=re.S))
        for name, text in cls.files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        cls.chart = home / "shop"

    def render(self, helm, *words, kube=NEW):
        shutil.rmtree(self.chart / "charts", ignore_errors=True)
        (self.chart / "Chart.lock").unlink(missing_ok=True)
        run(tools.helm(helm), "dependency", "update", self.chart)
        run(tools.helm(helm), "lint", "--strict", self.chart, *words, "--kube-version", kube)
        return template(*words, helm=helm, kube=kube, chart=self.chart)

    def by_the_readmes_words(self, helm):
        """The configuration as the README gets it for `outrigger check`."""
        readme = (CHART / "README.md").read_text(encoding="utf-8")
        words = re.search(r"^helm (template shop shop.*?) > outrigger.yaml", readme, re.M | re.S)[1]
        return run("sh", "-c", f"{tools.helm(helm)} {words}", cwd=self.chart.parent)

    def test_the_readmes_chart(self):
        self.assertEqual(4, len(self.files))
        of = {helm: self.render(helm) for helm in HELMS}
        self.assertEqual([], manifests.errors(of))
        for documents in of.values():
            self.assertEqual(["ConfigMap", "Deployment", "Service"],
                             sorted(each["kind"] for each in documents))
            self.assertEqual(configuration(documents) + "\n", self.by_the_readmes_words("3"))
            check(configuration(documents), "--strict")
            whole = manifests.find(documents, "Deployment")["spec"]["template"]
            self.assertIn("checksum/outrigger-config", whole["metadata"]["annotations"])
            self.assertEqual("shop-outrigger", manifests.find(documents, "ConfigMap")[
                "metadata"]["name"])
            self.assertEqual("shop-outrigger", whole["spec"]["volumes"][0]["configMap"]["name"])
            self.assertEqual("Always", whole["spec"]["initContainers"][0]["restartPolicy"])
            self.assertEqual({"preStop": {"sleep": {"seconds": 6}}},
                             whole["spec"]["containers"][0]["lifecycle"])

    def test_before_native_sidecars_and_with_a_pod_monitor(self):
        documents = self.render("4", "--set", "outrigger.podMonitor.enabled=true", kube=OLD)
        pod = manifests.find(documents, "Deployment")["spec"]["template"]["spec"]
        self.assertEqual(["outrigger", "shop"], [each["name"] for each in pod["containers"]])
        self.assertEqual({"matchLabels": {"app.kubernetes.io/instance": "shop"}},
                         manifests.find(documents, "PodMonitor")["spec"]["selector"])

    def test_the_schema_holds_there_too(self):
        for word, said in (("outrigger.wach=true", "wach"),
                           ("outrigger.config.listeners=null", "listeners"),
                           ("outrigger.config=null", "there is no configuration")):
            with self.assertRaises(AssertionError) as caught:
                self.render("4", "--set", word)
            self.assertIn(said, str(caught.exception))

    def test_switched_off(self):
        documents = self.render("4", "--set", "outrigger.enabled=false")
        self.assertEqual(["Deployment", "Service"], sorted(each["kind"] for each in documents))
        self.assertNotIn("/usr/bin/outrigger", json.dumps(documents))

    def test_an_alias(self):
        home = self.chart.with_name("alias")
        shutil.copytree(self.chart, home, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
        chart = home / "Chart.yaml"
        chart.write_text(chart.read_text() + "    alias: proxy\n")
        for path in home / "values.yaml", home / "templates/deployment.yaml":
            path.write_text(re.sub(r'(include "outrigger\.\w+") \.',
                                   r'\1 (dict "Values" .Values.proxy "Chart" .Chart '
                                   r'"Release" .Release "Capabilities" .Capabilities)',
                                   path.read_text()).replace("outrigger:\n", "proxy:\n"))
        run(tools.helm("4"), "dependency", "update", home)
        documents = template("--set", "proxy.name=own", chart=home)
        pod = manifests.find(documents, "Deployment")["spec"]["template"]["spec"]
        self.assertEqual("own", pod["volumes"][0]["configMap"]["name"])
        self.assertEqual("own", manifests.find(documents, "ConfigMap")["metadata"]["name"])
        self.assertIn("egress", configuration(documents))


class Documented(unittest.TestCase):
    def setUp(self):
        self.schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
        self.values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    def test_the_schema_knows_the_configuration(self):
        """To mend it: copy "$defs" of config/schema/outrigger.schema.json."""
        config = json.loads((ROOT / "config/schema/outrigger.schema.json").read_text())
        self.assertEqual(config["$ref"], self.schema["properties"]["config"]["then"]["$ref"])
        self.assertEqual(config["$defs"], self.schema["$defs"])

    def leaves(self, schema, values, path=""):
        """{path: default}; a map whose keys are ours is asked for each of them."""
        if "properties" not in schema:
            return {path: values}
        self.assertIs(False, schema["additionalProperties"], path)
        extra = {"global"} if not path else {"initialDelaySeconds", "successThreshold"}
        self.assertEqual(set(values), set(schema["properties"]) - extra, path)
        found = {}
        for key, value in values.items():
            found |= self.leaves(schema["properties"][key], value, f"{path}.{key}".lstrip("."))
        return found

    def test_the_readme_has_every_value(self):
        readme = (CHART / "README.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| `([\w.]+)` \| (.*?) \|(.*)\|$", readme, flags=re.M)
        leaves = self.leaves(self.schema, self.values)
        self.assertEqual(list(leaves), [path for path, _, _ in rows if path in leaves])
        told = {path for path, _, _ in rows if not path.startswith("outrigger.")}
        self.assertEqual(set(leaves), told)
        for path, default, _ in rows:
            if default.startswith("`") and path in leaves:
                self.assertEqual(leaves[path], yaml.safe_load(default.strip("`")), path)


if __name__ == "__main__":
    unittest.main()
