#!/usr/bin/env python3
"""What measures must be right itself: the load generator against servers that do wrong, and the
judging of rounds. Needs the target bench_tools (OUTRIGGER_BENCH_TOOLS: where it was built)."""

import json
import os
import pathlib
import sys
import threading
import time
import unittest
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import chart  # noqa: E402  (needs the path above)
import machine  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import targets  # noqa: E402
from bench import Results  # noqa: E402
from harness import Case, answers, closes, process  # noqa: E402

BODY = bytes(i % 251 for i in range(128))
PROOF = {"X-Backend": "outrigger-bench"}
RIGHT = answers(200, BODY, PROOF)


def load(port, *words):
    """(exit status, report)."""
    status, out, err = process.run([peers.tool("load"), "--port", port, *words])
    assert out, err
    return status, json.loads(out)


class LoadTest(Case):
    needs_binary = False

    def made_of(self, behave, *words):
        origin = self.origin(behave)
        return load(origin.port, "--connections", 2, "--requests", 10, *words)

    def assert_wrong(self, behave, why, *words):
        status, seen = self.made_of(behave, *words)
        self.assertEqual((1, 10, 0), (status, seen["wrong"], seen["requests"]))
        self.assertIn(why, seen["first_wrong"])

    def test_counts_right_responses(self):
        status, seen = self.made_of(RIGHT)
        self.assertEqual((0, 10, 0, 0), (status, seen["requests"], seen["wrong"], seen["errors"]))

    def test_an_empty_200_is_wrong(self):
        self.assert_wrong(answers(200, b"", PROOF), "length")

    def test_other_bytes_of_the_right_size_are_wrong(self):
        self.assert_wrong(answers(200, BODY[:-1] + b"?", PROOF), "other bytes")

    def test_another_status_is_wrong(self):
        self.assert_wrong(answers(503, BODY, PROOF), "503")

    def test_a_response_that_is_not_the_backends_is_wrong(self):
        self.assert_wrong(answers(200, BODY), "not from the backend")

    def test_a_lost_connection_is_an_error(self):
        status, seen = self.made_of(closes)
        self.assertEqual((1, 10, 0), (status, seen["errors"], seen["requests"]))

    def test_a_connection_that_is_not_kept_is_an_error(self):
        def behave(call):
            RIGHT(call)
            call.close()
        self.assertNotEqual(0, self.made_of(behave)[1]["errors"])

    def test_a_connection_for_each_request(self):
        origin = self.origin(RIGHT)
        status, seen = load(origin.port, "--connections", 2, "--requests", 10, "--close")
        self.assertEqual((0, 10, 10), (status, seen["requests"], origin.connections))

    def test_open_loop_counts_from_the_intended_time(self):
        """All who came in the first half of a stall waited for more than the other half of it; had
        they been timed from when they were sent, at most one a connection would show it."""
        stall, once = threading.Lock(), []

        def behave(call):
            with stall:
                if call.number == 20 and not once:
                    once.append(time.sleep(0.25))
            RIGHT(call)
        connections = 4
        status, seen = load(self.origin(behave).port, "--connections", connections,
                            "--rate", 200, "--seconds", 0.5)
        self.assertEqual((0, 100), (status, seen["requests"]), seen)
        self.assertGreater(seen["above_100ms"], 4 * connections)
        self.assertGreater(seen["late"], 4 * connections)


class BackendTest(Case):
    needs_binary = False

    def setUp(self):
        super().setUp()
        cores = sorted(os.sched_getaffinity(0))
        self.backend = measure.Backend(machine.Cores(cores[0], cores, cores), 2)
        self.addCleanup(self.backend.stop)

    def test_load_and_backend_understand_each_other(self):
        for words in (["--path", "/x/65536", "--expect", 65536], ["--headers"], ["--close"],
                      ["--path", "/0", "--body", 300_000]):
            for port in self.backend.ports:
                status, seen = load(port, "--requests", 20, "--connections", 3, *words)
                self.assertEqual((0, 20), (status, seen["requests"]), (words, seen))

    def test_the_backend_refuses_a_body_that_is_not_the_loads(self):
        client = self.client(f"127.0.0.1:{self.backend.ports[0]}")
        self.assertEqual(400, client.request("POST", "/0", body=b"hello").status)


def round_of(others=0.0, stolen=0.0, **cpu_us):
    return measure.Round({name: measure.Sample(value, 1000.0, 2000,
                                               {key: value for key in report.QUANTILES}, others,
                                               stolen)
                          for name, value in cpu_us.items()})


class TurnsTest(unittest.TestCase):
    def test_a_round_is_what_all_requests_of_its_turns_cost(self):
        def turn(cpu_us, requests, p50, others, late):
            return measure.Sample(cpu_us, 100.0, requests, {"p50": p50}, others, late=late, unsent=1)
        made = measure.Sample.of_turns([turn(10.0, 3000, 5.0, 0.1, 1), turn(20.0, 1000, 900.0, 0.0, 2),
                                        turn(10.0, 1000, 7.0, 0.2, 4)])
        self.assertEqual((12.0, 5000, {"p50": 7.0}, 7, 3),
                         (made.cpu_us, made.requests, made.latency_us, made.late, made.unsent))
        self.assertAlmostEqual(0.1, made.others)

    def test_one_disturbed_proxy_disturbs_its_round(self):
        calm, disturbed = round_of(relay=1).samples["relay"], round_of(0.5, relay=1).samples["relay"]
        made = measure.Round({"relay": calm, "nginx": disturbed})
        self.assertEqual((False, ["nginx"]), (made.accepted, made.disturbed))


class JudgingTest(unittest.TestCase):
    def judge(self, workload, rounds):
        results = Results()
        results.rounds[workload] = rounds
        return {(each.name, each.bound): each for each in targets.judge(results)}

    def test_ratios_are_taken_within_a_round(self):
        # Each median of its own would say 11 / 20; within the rounds it is 1.1 twice.
        rounds = [round_of(outrigger=11, relay=10), round_of(outrigger=22, relay=20),
                  round_of(outrigger=11, relay=20)]
        verdict = self.judge("W1", rounds)["CPU a request / relay", 1.15]
        self.assertEqual((1.1, True), (verdict.measured, verdict.held))

    def test_the_better_peer_is_the_one_of_the_lower_median(self):
        rounds = [round_of(outrigger=9, nginx=10, haproxy=12)] * 3
        verdict = self.judge("W1", rounds)["CPU a request / the better of nginx and HAProxy", 0.85]
        self.assertEqual((0.9, False), (verdict.measured, verdict.held))

    def test_a_noisy_workload_is_judged_from_nine_undisturbed_rounds(self):
        name = "CPU a request / the better of nginx and HAProxy", 0.80
        calm = round_of(outrigger=7, nginx=10, haproxy=12)
        disturbed = round_of(outrigger=7, nginx=10, haproxy=12, others=0.5)
        self.assertIsNone(self.judge("W2", [calm] * 8 + [disturbed])[name].held)
        stolen = round_of(outrigger=7, nginx=10, haproxy=12, stolen=0.5)
        self.assertIsNone(self.judge("W2", [calm] * 8 + [stolen])[name].held)
        self.assertTrue(self.judge("W2", [calm] * 9 + [disturbed])[name].held)

    def test_a_peer_that_took_no_part_leaves_its_targets_unjudged(self):
        verdicts = self.judge("W1", [round_of(outrigger=11, relay=10)])
        self.assertIsNone(verdicts["CPU a request / envoy", 0.40].held)
        self.assertTrue(verdicts["CPU a request / relay", 1.15].held)

    def test_table_and_chart_are_made_of_any_results(self):
        results = Results()
        results.rounds = {"W1": [round_of(outrigger=11, relay=10, nginx=13)],
                          "W2": [round_of(outrigger=11, others=1)], "W3": [],
                          "L20": [round_of(outrigger=11, nginx=13)]}
        document = report.document(results, targets.judge(results),
                                   machine.description({"outrigger": "0"}),
                                   {"seconds": 0.25, "turns": 4, "others_percent": 10, "stolen_percent": 30})
        text = report.text(document)
        self.assertIn("DISTURBED", text)
        self.assertIn("1.10", text)
        xml.etree.ElementTree.fromstring(chart.svg(document))


class ReadmeTest(unittest.TestCase):
    def test_its_tables_are_those_of_the_latest_results(self):
        text = report.README.read_text(encoding="utf-8")
        document = json.loads(report.LATEST.read_text(encoding="utf-8"))
        self.assertEqual(text, report.in_readme(text, document), "run tests/bench/report.py")


if __name__ == "__main__":
    unittest.main()
