"""The manifests for kustomize, by the real kubectl: they fit the API, and their parts one another."""

import pathlib
import shutil
import tempfile
import unittest

import manifests
import test_helm
import tools
from ship import BUILD, ROOT, run

HOME = ROOT / "deploy/kubernetes"
OVERLAYS = sorted(each.name for each in (HOME / "overlays").iterdir())


def kustomize(place):
    return manifests.load_all(run(tools.kubectl(), "kustomize", place))


def pods(documents):
    """The Deployments and DaemonSets."""
    return [each for each in documents if each["kind"] in ("Deployment", "DaemonSet")]


class Manifests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rendered = {name: kustomize(HOME / "overlays" / name) for name in OVERLAYS}
        cls.rendered["base"] = kustomize(HOME / "base")

    def test_all_of_it_fits_the_types_of_the_api(self):
        self.assertEqual(["node", "sidecar", "zones"], OVERLAYS)
        self.assertEqual([], manifests.errors(self.rendered))

    def test_a_misspelt_field_would_be_found(self):
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            copy = pathlib.Path(scratch, "kubernetes")
            shutil.copytree(HOME, copy)
            patch = copy / "overlays/zones/spread.yaml"
            patch.write_text(patch.read_text().replace("whenUnsatisfiable", "whenUnsatisfied"))
            wrong = manifests.errors({"zones": kustomize(copy / "overlays/zones")})
        self.assertEqual(1, len(wrong), wrong)
        self.assertIn("whenUnsatisfied", wrong[0])

    def test_configurations_pass_the_check(self):
        for name in OVERLAYS:
            with self.subTest(name):
                text = test_helm.configuration(self.rendered[name])
                self.assertEqual((HOME / "overlays" / name / "outrigger.yaml").read_text(), text)
                self.assertIn("fine", test_helm.check(text, "--strict"))

    def test_names_meet(self):
        for name, documents in self.rendered.items():
            with self.subTest(name):
                maps = {each["metadata"]["name"] for each in documents
                        if each["kind"] == "ConfigMap"}
                labels = [each["spec"]["template"]["metadata"]["labels"] for each in pods(documents)]
                for each in pods(documents):
                    for volume in each["spec"]["template"]["spec"]["volumes"]:
                        if "configMap" in volume:
                            self.assertIn(volume["configMap"]["name"], maps)
                for each in documents:
                    selector = each.get("spec", {}).get("podSelector") or each.get("spec", {}).get(
                        "selector", {})
                    selector = selector.get("matchLabels", selector)
                    self.assertTrue(any(selector.items() <= those.items() for those in labels), each)

    def test_the_sidecar_is_the_charts(self):
        config = manifests.load(test_helm.configuration(self.rendered["sidecar"]))
        pod = test_helm.deployment(*test_helm.with_config(config))
        for name in "sidecar", "zones":
            own = pods(self.rendered[name])[0]["spec"]["template"]["spec"]
            self.assertEqual(test_helm.sidecar(pod), test_helm.sidecar(own) | {
                "imagePullPolicy": "IfNotPresent"})
            self.assertEqual(pod["terminationGracePeriodSeconds"],
                             own["terminationGracePeriodSeconds"])
            sleep = own["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
            self.assertEqual(pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"],
                             int(sleep[1]))

    def test_one_per_node(self):
        documents = self.rendered["node"]
        daemons = manifests.find(documents, "DaemonSet")["spec"]
        box = test_helm.sidecar(daemons["template"]["spec"])
        chart = test_helm.sidecar(test_helm.deployment())
        for key in ("securityContext", "startupProbe", "readinessProbe", "livenessProbe", "args",
                    "image"):
            self.assertEqual(chart[key], box[key])
        self.assertEqual({"maxSurge": 1, "maxUnavailable": 0},
                         daemons["updateStrategy"]["rollingUpdate"])
        service = manifests.find(documents, "Service", "outrigger")["spec"]
        self.assertEqual("Local", service["internalTrafficPolicy"])
        self.assertIn(service["ports"][0]["targetPort"], [port["name"] for port in box["ports"]])

    def test_spread_over_zones(self):
        deployment = manifests.find(self.rendered["zones"], "Deployment")["spec"]
        spread = deployment["template"]["spec"]["topologySpreadConstraints"][0]
        self.assertEqual("topology.kubernetes.io/zone", spread["topologyKey"])
        self.assertEqual(deployment["selector"], spread["labelSelector"])
        self.assertEqual(deployment["selector"], manifests.find(
            self.rendered["zones"], "PodDisruptionBudget")["spec"]["selector"])


if __name__ == "__main__":
    unittest.main()
