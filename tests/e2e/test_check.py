"""What `check` prints and how it exits, and that `run` says the same at start and reload."""

import glob
import os
import re
import signal
import subprocess

from harness import BINARY, GUARD, ROOT, Case, process, run_binary

WARNED = """\
admin: off
listeners:
  - address: 127.0.0.1:0
    routes:
      - upstream: app
        timeouts:
          per_try: ${PER_TRY:-2s}
        retry: {max_retries: 3}
upstreams:
  app: {endpoints: ["10.0.0.1:80"]}
"""
FINE = WARNED.replace("max_retries: 3", "max_retries: 3, retry_on: [default, per-try-timeout]")
LINE = ":7:20: warning[per-try-without-retry]: listeners[0].routes[0].timeouts.per_try: "
IGNORED = "check: {ignore: [per-try-without-retry]}\n"


class CheckTest(Case):
    def write(self, text, name="outrigger.yaml"):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_warnings_are_printed_and_only_strict_fails(self):
        path = self.write(WARNED)
        for strict, expected in ([], 0), (["--strict"], 1):
            status, out, err = run_binary("check", "-c", path, *strict)
            self.assertEqual(expected, status, err)
            self.assertIn(path + LINE, err)
            self.assertEqual(1, err.count("\n"), err)
            self.assertIn("1 warning", out)

    def test_strict_is_0_without_warnings(self):
        for text in FINE, WARNED + IGNORED:
            status, out, err = run_binary("check", "--strict", "-c", self.write(text))
            self.assertEqual((0, ""), (status, err))
            self.assertIn("fine", out)

    def test_errors_are_2_and_come_alone(self):
        path = self.write(WARNED + "check: {ignore: [per-try-without-rety]}\n")
        for strict in [], ["--strict"]:
            status, out, err = run_binary("check", "-c", path, *strict)
            self.assertEqual(2, status)
            self.assertIn("did you mean 'per-try-without-retry'?", err)
            self.assertNotIn("warning[", err)
            self.assertEqual("", out)

    def test_an_environment_file_can_bring_the_warning(self):
        path = self.write(WARNED.replace("per_try: ${PER_TRY:-2s}", "per_try: ${PER_TRY:-off}"))
        self.assertEqual(0, run_binary("check", "--strict", "-c", path)[0])
        env = self.write("# a comment\n\nPER_TRY=3s\n", "env")
        status, _, err = run_binary("check", "--strict", "-c", path, "--env-file", env)
        self.assertEqual(1, status, err)
        self.assertIn("after 3s is answered 504", err)
        broken = self.write("PER_TRY\n", "broken")
        self.assertEqual(2, run_binary("check", "-c", path, "--env-file", broken)[0])

    def test_the_examples_are_free_of_warnings(self):
        for path in glob.glob(os.path.join(ROOT, "config", "examples", "*.yaml")):
            status, _, err = run_binary("check", "--strict", "-c", path)
            self.assertEqual((0, ""), (status, err), path)

    def test_the_demo_is_free_of_warnings(self):
        output = os.path.join(self.directory, "demo.txt")
        with open(output, "w", encoding="utf-8") as out:
            demo = process.start([BINARY, "demo", "--plain"], stdout=out,
                                 stderr=subprocess.STDOUT)
        self.addCleanup(process.kill, demo)

        def its_file():
            self.assertIsNone(demo.poll())
            with open(output, encoding="utf-8") as said:
                return re.search(r"configuration +(\S+)\n", said.read())
        path = self.eventually(its_file, "the demo's configuration")[1]
        status, _, err = run_binary("check", "--strict", "-c", path)
        self.assertEqual((0, ""), (status, err))
        os.kill(demo.pid, signal.SIGINT)
        self.assertEqual(0, demo.wait(GUARD))

    def test_run_logs_them_at_start_and_at_a_reload(self):
        origin = self.origin()
        daemon = self.proxy(origin, route={"timeouts": {"per_try": "2s"},
                                           "retry": {"max_retries": 3}})
        line = r"warn.*warning\[per-try-without-retry\]: listeners\[0\]"
        self.assertEqual(1, len(re.findall(line, daemon.log())), daemon.log())
        daemon.write_config(self.config(origin, route={"timeouts": {"per_try": "5s"},
                                                       "retry": {"max_retries": 3}}))
        daemon.signal(signal.SIGHUP)
        self.eventually(lambda: len(re.findall(line, daemon.log())) == 2, "the second warning")
        self.assertIn("after 5s is answered 504", daemon.log())
