"""Programs that die with the test, whatever becomes of it."""

import ctypes
import os
import signal
import subprocess

from .limits import GUARD

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command, **options):
    """Popen in a process group of its own, killed when this thread's process ends."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen([str(word) for word in command], start_new_session=True,
                            preexec_fn=_die_with_parent, **options)


def run(command, timeout=GUARD, **options):
    """Runs to its end; (exit status, stdout, stderr)."""
    process = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        kill(process)
    return process.returncode, out, err


def kill(process):
    """Ends the whole group at once and waits; nothing where it has ended."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait(GUARD)


def status_field(pid, name):
    """A line of /proc/PID/status, without its name."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].strip()
    raise KeyError(name)


def resident_kib(pid):
    return int(status_field(pid, "VmRSS").split()[0])


def own_kib(pid):
    """Of that, what is not the text of a program or a library, which comes and goes in pages."""
    return int(status_field(pid, "RssAnon").split()[0])


def threads(pid):
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def cpu_seconds(pid):
    """User and system time that it has used so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
