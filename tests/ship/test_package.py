"""The Debian package: made by ./dev package, looked at by lintian, installed and purged elsewhere."""

import glob
import os
import re
import shutil
import subprocess
import unittest

import image
from harness import Case, process
from ship import BINARY, ROOT, run, slow

DEBIAN = ROOT / "deploy/debian"
CONFFILE = "/etc/outrigger/outrigger.yaml"


class SourcesTest(Case):
    def test_the_manual_pages_are_clean(self):
        for name, options, has in (("outrigger.1", (), "wait-ready"),
                                   ("outrigger.yaml.5", ("--config",), "max_retries")):
            with self.subTest(name):
                page = os.path.join(self.directory, name)
                with open(page, "w", encoding="utf-8") as file:
                    file.write(run(BINARY, "man", *options))
                done = subprocess.run(
                    ["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True,
                    text=True, check=False,
                    env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFSEQ": ""})
                self.assertEqual((0, ""), (done.returncode, done.stderr))
                # As it can be copied from the page into a file or a command line.
                self.assertIn(has, done.stdout)
                self.assertLess(max(map(len, done.stdout.splitlines())), 200)

    def test_the_changelog_is_of_this_version(self):
        version = re.search(r"project\(outrigger VERSION (\S+)",
                            (ROOT / "CMakeLists.txt").read_text())[1]
        changelog = DEBIAN / "changelog"
        self.assertEqual(version, run("dpkg-parsechangelog", "-l", changelog,
                                      "-S", "Version").strip())

    def test_the_configuration_has_no_warning(self):
        run(BINARY, "check", "--strict", "-c", DEBIAN / "outrigger.yaml")

    def test_the_scripts_are_shell(self):
        for script in ("postinst", "prerm", "postrm"):
            run("sh", "-n", DEBIAN / script)
            self.assertTrue(os.access(DEBIAN / script, os.X_OK), script)


class Host:
    """A Debian 12 of its own, with a loopback of its own."""

    def __init__(self):
        self.container = image.buildah("from", "--pull-never", image.base()).strip()
        self.root = image.buildah("mount", self.container).strip()
        self.network = process.start(["unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.network.pid}/ns/net") == own:
            pass
        self.inside("ip", "link", "set", "lo", "up")

    def close(self):
        process.kill(self.network)
        image.buildah("rm", self.container)

    def run(self, *words):
        """As root of that system, with this one's network."""
        return image.buildah("run", "--isolation", "chroot", "--env",
                             "DEBIAN_FRONTEND=noninteractive", self.container, "--", *words)

    def enter(self, *words):
        """The command line that has its loopback."""
        return ["nsenter", f"--net=/proc/{self.network.pid}/ns/net", *map(str, words)]

    def inside(self, *words):
        return run(*self.enter(*words))

    def as_nobody(self, *words):
        return self.enter("chroot", "--userspec=65534:65534", self.root, *words)

    def take(self, package):
        """A file of this system, for a moment there; its name there."""
        shutil.copy(package, self.root + "/tmp/")
        return "/tmp/" + os.path.basename(package)

    def install(self, package, *options):
        there = self.take(package)
        self.run("dpkg", *options, "--install", there)
        os.unlink(self.root + there)

    def find(self):
        """All that has the package's name."""
        return [path.removeprefix(self.root) for path in
                glob.glob(f"{self.root}/**/*outrigger*", recursive=True, include_hidden=True)]


@slow
class PackageTest(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run(ROOT / "dev", "package", timeout=1800)
        cls.package, = glob.glob(str(ROOT / "build/package/outrigger_*.deb"))

    def newer(self, version, conffile=None):
        """The package as of a later version."""
        tree = os.path.join(self.directory, version)
        run("dpkg-deb", "--raw-extract", self.package, tree)
        control = os.path.join(tree, "DEBIAN/control")
        with open(control, encoding="utf-8") as file:
            text = re.sub(r"(?m)^Version: .*$", f"Version: {version}", file.read())
        with open(control, "w", encoding="utf-8") as file:
            file.write(text)
        if conffile:
            with open(tree + CONFFILE, "w", encoding="utf-8") as file:
                file.write(conffile)
        made = os.path.join(self.directory, f"outrigger_{version}.deb")
        run("dpkg-deb", "--root-owner-group", "--build", tree, made)
        return made

    def test_lintian_finds_nothing(self):
        out = run("lintian", "--allow-root", "--fail-on", "error,warning", "--info", self.package)
        self.assertNotRegex(out, r"(?m)^[EW]:")

    def test_it_depends_on_what_the_program_loads(self):
        depends = run("dpkg-deb", "--field", self.package, "Depends")
        for library in ("libuv1", "libyaml-cpp0.7", "libre2-9", "libspdlog1.10"):
            self.assertIn(library, depends)

    def test_the_program_is_stripped(self):
        tree = os.path.join(self.directory, "tree")
        run("dpkg-deb", "--extract", self.package, tree)
        self.assertIn(", stripped", run("file", f"{tree}/usr/bin/outrigger"))

    def test_it_is_installed_runs_is_upgraded_and_leaves_nothing(self):
        host = Host()
        self.addCleanup(host.close)
        self.assertEqual([], host.find())
        there = host.take(self.package)
        host.run("apt-get", "update", "--quiet=2")
        host.run("apt-get", "install", "--quiet=2", "--no-install-recommends", "--yes", there)
        os.unlink(host.root + there)
        for file in ("/usr/bin/outrigger", "/lib/systemd/system/outrigger.service", CONFFILE,
                     "/usr/share/doc/outrigger/copyright"):
            self.assertTrue(os.path.exists(host.root + file), file)
        self.runs(host)

        # What its owner has written stays, whether or not the package's own has changed.
        with open(host.root + CONFFILE, encoding="utf-8") as file:
            mine = "# mine\n" + file.read()
        for version, theirs, options in (("9.1", None, ()),
                                         ("9.2", "# theirs\n" + mine, ("--force-confold",))):
            with open(host.root + CONFFILE, "w", encoding="utf-8") as file:
                file.write(mine)
            host.install(self.newer(version, theirs), *options)
            self.assertIn(version, host.run("dpkg-query", "--show", "outrigger"))
            with open(host.root + CONFFILE, encoding="utf-8") as file:
                self.assertEqual(mine, file.read())
        self.runs(host)

        host.run("dpkg", "--remove", "outrigger")
        self.assertIn(CONFFILE, host.find())
        self.assertNotIn("/usr/bin/outrigger", host.find())
        # As if it had been enabled, and had run.
        enabled = "/etc/systemd/system/multi-user.target.wants/outrigger.service"
        os.makedirs(os.path.dirname(host.root + enabled), exist_ok=True)
        os.symlink("/lib/systemd/system/outrigger.service", host.root + enabled)
        os.makedirs(host.root + "/var/log/private/outrigger")
        host.run("dpkg", "--purge", "outrigger")
        self.assertEqual([], host.find())

    def runs(self, host):
        """The program with its file, as nobody; healthy, serving, gone on SIGTERM."""
        with open(os.path.join(self.directory, "log"), "wb") as log:
            daemon = process.start(host.as_nobody("/usr/bin/outrigger", "run", "-c", CONFFILE),
                                   stdout=log, stderr=log)
        self.addCleanup(process.kill, daemon)
        run(*host.as_nobody("/usr/bin/outrigger", "wait-ready"))
        run(*host.as_nobody("/usr/bin/outrigger", "healthcheck", "-c", CONFFILE))
        self.assertIn("outrigger runs", host.inside("curl", "-sf", "127.0.0.1:8080"))
        daemon.terminate()
        self.assertEqual(0, daemon.wait(30))


if __name__ == "__main__":
    unittest.main()
