"""Plays one case: a caller, the proxy under test, a scripted upstream; and judges what came of it.

A lane is one upstream with the proxy's listeners in front of it. Its cases run one after another,
so that whatever the upstream sees belongs to the case under way; several lanes run side by side.
"""

import socket
import struct
import threading
import time

from harness import HOST, free_port

from . import table
from .strict import Broken, Malformed, Reader

PROBE = table.request(target="/probe")
PROBE_BODY = b"the probe's own"
GONE = 0.5    # seconds that a proxy has to end an upstream's connection where it should


class Script:
    """What the upstream does during one case, and what it has seen."""

    def __init__(self, case):
        self.answers = list(case.answer)
        self.requests = []
        self.unfinished = False
        self.violations = []
        self.head_seen = threading.Event()
        self.signalled = threading.Event()

    def whole(self):
        return [each for each in self.requests if each.complete]


class Upstream:
    def __init__(self):
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        self.script = None
        self._threads = {}    # by connection, of the case under way
        self._lock = threading.Lock()
        self._last = None     # where the connection of _accept_all() comes from
        self._accepted_all = threading.Event()
        self._listener = socket.create_server((HOST, self.port), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                sock, address = self._listener.accept()
            except OSError:
                return
            if address == self._last:
                sock.close()
                self._accepted_all.set()
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(sock, self.script), daemon=True)
            with self._lock:
                thread.start()
                self._threads[sock] = thread

    def end_case(self):
        """Ends every connection, and waits until the proxy has seen that, so that none of them is
        taken for the next case."""
        self.script.signalled.set()
        self._accept_all()
        for sock, thread in self._all():
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            thread.join(GONE * 4)
            sock.close()
        self._threads.clear()

    def _accept_all(self):
        """They are accepted in order: when one of ours is, all before it were."""
        self._accepted_all.clear()
        with socket.socket() as ours:
            ours.bind((HOST, 0))
            self._last = ours.getsockname()
            ours.connect((HOST, self.port))
            self._accepted_all.wait()

    def _all(self):
        with self._lock:
            return list(self._threads.items())

    def wait_gone(self):
        end = time.monotonic() + GONE
        for _, thread in self._all():
            thread.join(max(0, end - time.monotonic()))

    def _serve(self, sock, script):
        reader = Reader(sock)
        try:
            while script and self._serve_one(sock, reader, script):
                pass
        except (Broken, OSError):
            script.unfinished = True
        except Malformed as error:
            script.violations.append(f"upstream: {error}")
        try:
            # Over when the proxy has seen it, so that wait_gone() tells of both.
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(GONE)
            while reader.fill():
                pass
        except OSError:
            pass

    def _serve_one(self, sock, reader, script):
        request = reader.request_head()
        if request is None:
            return False
        if request.start[1] == "/probe":
            reader.request_body(request)
            sock.sendall(table.response(f"Content-Length: {len(PROBE_BODY)}", body=PROBE_BODY))
            return True
        script.requests.append(request)
        script.head_seen.set()
        steps = script.answers.pop(0) if script.answers else (table.OK,)
        if steps[0] != table.EARLY:
            reader.request_body(request)
        for step in steps:
            if isinstance(step, bytes):
                sock.sendall(step)
            elif step == table.UNTIL_SIGNAL:
                script.signalled.wait(30)
            elif step == table.CONTINUE:
                if "100-continue" in request.words("Expect"):
                    sock.sendall(table.response(status="100 Continue"))
            elif step == table.READ_BODY:
                reader.request_body(request)
            elif step == table.CLOSE:
                return False
            elif step == table.RESET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
                return False
            elif isinstance(step, table.RawRead):
                if b"".join(reader.exactly(len(step.data))) != step.data:
                    script.violations.append(f"the tunnel's bytes are not {step.data!r}")
        if not request.complete:
            reader.request_body(request)
        return True


class Observed:
    """What the caller has seen."""

    def __init__(self):
        self.responses = []
        self.violations = []
        self.after = None

    def describe(self, script):
        said = [f"violation: {each}" for each in self.violations + script.violations]
        said += [f"caller got: {each}" for each in self.responses] or ["caller got: nothing"]
        said += [f"upstream saw: {each}" for each in script.requests] or ["upstream saw: nothing"]
        said.append(f"connection after: {self.after}")
        return said


class Caller:
    def __init__(self, case, address, upstream, patience):
        self.case, self.upstream = case, upstream
        self.seen = Observed()
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.socket)
        self.interim = []
        self.patience = patience

    def run(self):
        try:
            for step in self.case.send:
                self.step(step)
            most = max(len(outcome.got) for outcome in self.case.allowed)
            while len(self.seen.responses) < most and self.read():
                pass
            if any(table.CLOSE in script for script in self.case.answer):
                self.upstream.wait_gone()
            if self.case.probe and table.HALF_CLOSE not in self.case.send:
                self.probe()
        except TimeoutError:
            self.seen.violations.append("the caller waits for something that does not come")
        except Broken:
            pass
        except Malformed as error:
            self.seen.violations.append(f"caller: {error}")
        finally:
            self.socket.close()
        return self.seen

    def step(self, step):
        if isinstance(step, bytes):
            self.send(step)
        elif step == table.READ:
            self.read()
        elif step == table.READ_INTERIM:
            head = self.reader.response_head()
            if head is None:
                raise Broken
            if head.status < 200:
                self.interim.append(head)
            else:
                self.reader.response_body(head, self.method())
                head.complete = True
                self.seen.responses.append(head)
        elif step == table.UNTIL_SEEN:
            if not self.upstream.script.head_seen.wait(self.patience):
                raise TimeoutError
        elif step == table.UNTIL_GONE:
            self.upstream.wait_gone()
        elif step == table.SIGNAL:
            self.upstream.script.signalled.set()
        elif step == table.HALF_CLOSE:
            self.socket.shutdown(socket.SHUT_WR)
        elif isinstance(step, table.UntilBytes):
            while step.data not in self.reader.buffer and self.reader.fill():
                pass
            if step.data not in self.reader.buffer:
                self.seen.violations.append(f"{step.data!r} does not come")

    def send(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError:
            pass  # what has come before is still to be read

    def method(self):
        nth = len(self.seen.responses)
        return self.case.methods[nth] if nth < len(self.case.methods) else "GET"

    def read(self):
        response = self.reader.response(self.method(), self.interim)
        self.interim = []
        if response:
            self.seen.responses.append(response)
        return response is not None and not (self.reader.at_end and not self.reader.buffer)

    def probe(self):
        """Another request: the connection is closed, or the answer is that request's."""
        self.send(PROBE)
        response = None if self.reader.at_end else self.reader.response("GET", [])
        if response is None:
            self.seen.after = table.CLOSED
        elif response.status == 200 and response.body == PROBE_BODY:
            self.seen.after = table.OPEN
        else:
            self.seen.violations.append(f"another request is answered with {response}")


# --- the verdict ---

def _fields_differ(message, has, lacks):
    for name, wanted in has.items():
        values = message.all(name)
        if wanted is True:
            fits = bool(values)
        elif isinstance(wanted, str):
            fits = values == [wanted]
        else:
            fits = bool(wanted.fullmatch(", ".join(values)))
        if not fits:
            return f"{name} is {values}"
    for name in lacks:
        if message.all(name):
            return f"{name} is {message.all(name)}"
    return None


def _message_differs(message, wanted):
    if wanted.body is not None and message.body != wanted.body:
        return f"its body is {message.body[:80]!r}"
    if wanted.version is not None and wanted.version not in message.start:
        return f"the version is not {wanted.version}"
    trailers = {name.lower(): value for name, value in message.trailers}
    if wanted.trailers is not None and trailers != wanted.trailers:
        return f"its trailers are {message.trailers}"
    return _fields_differ(message, wanted.has, wanted.lacks)


def _response_differs(response, wanted):
    if response.status not in wanted.status:
        return f"the status is {response.status}"
    if response.complete != wanted.complete:
        return "the response is " + ("whole" if response.complete else "broken off")
    interim = tuple(each.status for each in response.interim)
    if wanted.interim is not None and interim != wanted.interim:
        return f"the responses before it are {interim}"
    return _message_differs(response, wanted)


def _requests_differ(script, wanted):
    if wanted is None:
        return None
    if wanted == table.NOTHING:
        return "the upstream saw a request" if script.requests or script.unfinished else None
    whole = script.whole()
    wanted = () if wanted == table.UNFINISHED else wanted
    if len(whole) != len(wanted):
        return f"the upstream saw {len(whole)} whole requests"
    for request, each in zip(whole, wanted):
        if each.start is not None and " ".join(request.start[:2]) != each.start:
            return f"the upstream saw {' '.join(request.start)}"
        if differs := _message_differs(request, each):
            return f"upstream: {differs}"
    return None


def differs(outcome, observed, script):
    """Why this is not the outcome; None where it is."""
    if len(observed.responses) != len(outcome.got):
        return f"{len(observed.responses)} responses"
    for response, wanted in zip(observed.responses, outcome.got):
        if why := _response_differs(response, wanted):
            return why
    if outcome.after and observed.after != outcome.after:
        return f"the connection is {observed.after}"
    return _requests_differ(script, outcome.seen)


class Verdict:
    def __init__(self, case, observed, script):
        self.case = case
        self.violations = observed.violations + script.violations
        reasons = [differs(outcome, observed, script) for outcome in case.allowed]
        self.conforms = not self.violations and None in reasons
        self.ours = None
        if case.ours:
            reasons.append(differs(case.ours, observed, script))
            self.ours = not self.violations and reasons[-1] is None
        self.report = [f"{case.name} (RFC {case.rfc}): " +
                       "; ".join(each for each in reasons if each)]
        self.report += [f"    {each}" for each in observed.describe(script)]

    def __str__(self):
        return "\n".join(self.report)


def play(case, lane, patience):
    lane.upstream.script = script = Script(case)
    observed = Observed()
    try:
        observed = Caller(case, lane.via if case.via else lane.main, lane.upstream, patience).run()
    except OSError as error:
        observed.violations.append(f"the caller: {error}")
    finally:
        lane.upstream.end_case()
    return Verdict(case, observed, script)


class Lane:
    """`main` and `via`: the proxy's addresses, the second one adds Via."""

    def __init__(self, upstream, main, via):
        self.upstream, self.main, self.via = upstream, main, via


def play_all(cases, lanes, patience):
    """Verdicts in the order of the cases."""
    verdicts = [None] * len(cases)
    left = iter(enumerate(cases))
    taking = threading.Lock()

    def work(lane):
        while True:
            with taking:
                index, case = next(left, (None, None))
            if case is None:
                return
            verdicts[index] = play(case, lane, patience)
    threads = [threading.Thread(target=work, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return verdicts
