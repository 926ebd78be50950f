"""The command simulate: what would happen, without a socket."""

import json
import os
import subprocess
import unittest

from harness import BINARY, Case

SCENARIOS = os.path.join(os.path.dirname(__file__), "..", "..", "config", "examples", "scenarios")


class SimulateTest(Case):
    def simulate(self, *arguments):
        return subprocess.run([BINARY, "simulate", *arguments], capture_output=True, text=True,
                              timeout=120)

    def example(self, name, *arguments):
        return self.simulate("-c", os.path.join(SCENARIOS, f"{name}.config.yaml"),
                             "--scenario", os.path.join(SCENARIOS, f"{name}.yaml"), *arguments)

    def file(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def config(self):
        return self.file("outrigger.yaml", "listeners: [{address: 127.0.0.1:1, routes: "
                         "[{upstream: u}]}]\nupstreams: {u: {endpoints: ['10.0.0.1:80']}}\n")

    def test_the_report_for_people_says_what_happened_when(self):
        run = self.example("one-bad-endpoint")
        self.assertEqual((0, ""), (run.returncode, run.stderr))
        for part in ("calm", "one-bad", "amplification", "10.0.0.2:8080 ejected", "is back"):
            self.assertIn(part, run.stdout)

    def test_json_has_the_same_and_can_be_read(self):
        run = self.example("slow-upstream", "--json")
        self.assertEqual(0, run.returncode)
        report = json.loads(run.stdout)
        self.assertEqual(["calm", "slow", "mended"], [each["name"] for each in report["phases"]])
        slow = report["phases"][1]
        self.assertEqual(slow["requests"], sum(slow["answers"].values()))
        self.assertTrue(any(event["what"] == "circuit breaker open" for event in slow["events"]))

    def test_the_same_seed_repeats_byte_for_byte(self):
        first = self.example("one-bad-endpoint", "--seed", "5")
        self.assertEqual(first.stdout, self.example("one-bad-endpoint", "--seed", "5").stdout)
        self.assertNotEqual(first.stdout, self.example("one-bad-endpoint", "--seed", "6").stdout)

    def test_a_wrong_scenario_is_refused_with_its_place(self):
        scenario = self.file("s.yaml", "callers: [{rate: 5}]\nphases:\n  - {nam: a, duration: 1s}\n")
        run = self.simulate("-c", self.config(), "--scenario", scenario)
        self.assertEqual(2, run.returncode)
        self.assertIn(f"{scenario}:3:6: phases[0].nam: unknown key (did you mean 'name'?)",
                      run.stderr)
        self.assertEqual("", run.stdout)

    def test_a_wrong_configuration_is_refused_before_the_scenario_is_read(self):
        config = self.file("wrong.yaml", "listeners: 5\n")
        run = self.simulate("-c", config, "--scenario", "nowhere.yaml")
        self.assertEqual(2, run.returncode)
        self.assertIn(f"{config}:1:12: listeners: found '5'", run.stderr)

    def test_a_scenario_that_is_not_there_is_named(self):
        run = self.simulate("-c", self.config(), "--scenario", "nowhere.yaml")
        self.assertEqual(2, run.returncode)
        self.assertIn("nowhere.yaml: cannot be read: No such file or directory", run.stderr)

    def test_wrong_usage_and_help(self):
        self.assertEqual(2, self.simulate("-c", self.config()).returncode)
        self.assertEqual(2, self.example("one-bad-endpoint", "--seed", "many").returncode)
        run = self.simulate("--help")
        self.assertEqual(0, run.returncode)
        for option in ("--config", "--scenario", "--seed", "--json"):
            self.assertIn(option, run.stdout)

    def test_a_report_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            run = subprocess.run([BINARY, "simulate", "-c", self.config(), "--scenario",
                                  self.file("s.yaml", "callers: [{rate: 5}]\n"
                                            "phases: [{name: a, duration: 1s}]\n")],
                                 stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
        self.assertEqual(1, run.returncode)
        self.assertIn("cannot be written", run.stderr)


if __name__ == "__main__":
    unittest.main()
