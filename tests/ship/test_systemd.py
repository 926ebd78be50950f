"""deploy/systemd: the unit, by systemd's own tools; systemd itself does not run here."""

import json
import os
import re
import signal
import socket
import subprocess
import unittest

from harness import GUARD, Case
from ship import BINARY, ROOT, run

UNIT = ROOT / "deploy/systemd/outrigger.service"
MOST_EXPOSED = 2.0


def settings(name):
    """What the unit says of it, once or several times."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


class UnitTest(Case):
    def test_systemd_takes_it_without_a_word(self):
        """With the program at another place, and its manual pages where man finds them."""
        pages = os.path.join(self.directory, "man")
        for section, options in ((1, ()), (5, ("--config",))):
            os.makedirs(f"{pages}/man{section}")
            name = "outrigger.yaml" if options else "outrigger"
            with open(f"{pages}/man{section}/{name}.{section}", "w", encoding="utf-8") as page:
                page.write(run(BINARY, "man", *options))
        unit = os.path.join(self.directory, UNIT.name)
        with open(unit, "w", encoding="utf-8") as file:
            file.write(UNIT.read_text().replace("/usr/bin/outrigger", os.path.abspath(BINARY)))
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True,
                              check=False, env={**os.environ, "MANPATH": pages})
        self.assertEqual((0, "", ""), (done.returncode, done.stdout, done.stderr))

    def test_it_is_exposed_to_little(self):
        out = run("systemd-analyze", "security", "--offline=true", "--no-pager",
                  f"--threshold={int(MOST_EXPOSED * 10)}", UNIT)
        exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", out)[1])
        print(f"\nthe unit's exposure is {exposure}")
        self.assertLessEqual(exposure, MOST_EXPOSED)

    def test_the_time_to_stop_covers_the_defaults(self):
        keys = json.loads(run(BINARY, "schema"))["$defs"]["shutdown"]["properties"]
        defaults = [int(keys[key]["default"].removesuffix("s")) for key in ("delay", "drain_timeout")]
        self.assertGreaterEqual(int(settings("TimeoutStopSec")[0]), sum(defaults) + 5)


class ConfinedTest(Case):
    """The daemon under what the unit allows, as far as that can be had without systemd."""

    def allowed(self):
        """The names that SystemCallFilter leaves."""
        groups, current = {}, None
        for line in run("systemd-analyze", "syscall-filter", "--no-pager").splitlines():
            word = line.strip()
            if line.startswith("@"):
                current = groups.setdefault(word, [])
            elif word and not word.startswith("#") and current is not None:
                current.append(word)

        def names(words):
            for word in words:
                if word.startswith("@"):
                    yield from names(groups[word])
                else:
                    yield word
        allowed = set()
        for value in settings("SystemCallFilter"):
            if value.startswith("~"):
                allowed -= set(names(value[1:].split()))
            else:
                allowed |= set(names(value.split()))
        # What systemd always leaves, so that a program can be started at all.
        return allowed | set(names(["@default"])) | {"execve"}

    def test_it_calls_nothing_that_the_unit_forbids(self):
        trace = os.path.join(self.directory, "trace")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.settimeout(GUARD)
        notify.bind(os.path.join(self.directory, "notify"))
        origin = self.origin()
        config = self.config(
            origin, "localhost:9", workers=2,
            access_log={"path": os.path.join(self.directory, "access.log")},
            admin={"address": f"unix:{self.directory}/admin.sock"})
        daemon = self.start(config, under=["strace", "-f", "-qq", "-c", "-U", "name,calls",
                                           "-o", trace],
                            env={"NOTIFY_SOCKET": notify.getsockname()})
        self.assertIn(b"READY=1", notify.recv(4096))
        for _ in range(5):
            self.assertEqual(200, self.client(daemon).get().status)
        program = int(run("pgrep", "-P", daemon.pid).split()[0])
        os.kill(program, signal.SIGHUP)
        self.assertIn(b"RELOADING=1", notify.recv(4096))
        self.assertIn(b"READY=1", notify.recv(4096))
        os.kill(program, signal.SIGUSR1)
        daemon.metrics()
        os.kill(program, signal.SIGTERM)
        self.assertEqual(0, daemon.wait_exit())
        with open(trace, encoding="ascii") as file:
            called = {line.split()[0] for line in file if re.match(r"\w+ +\d+$", line.strip())}
        called.remove("total")
        self.assertIn("sendto", called)
        self.assertIn("accept4", called)
        allowed = self.allowed()
        self.assertEqual(set(), allowed & {"mount", "ptrace", "setuid", "chown", "setpriority"})
        self.assertEqual(set(), called - allowed)

    def test_it_needs_no_memory_that_can_be_written_and_run(self):
        daemon = self.proxy(self.origin())
        self.assertEqual(200, self.client(daemon).get().status)
        with open(f"/proc/{daemon.pid}/maps", encoding="ascii") as maps:
            self.assertEqual([], [line for line in maps if "wx" in line.split()[1]])


if __name__ == "__main__":
    unittest.main()
