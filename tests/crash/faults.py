"""Faults at a given system call, by strace: which there are, how one is brought about, and what must hold after.

A fault is told by its class of calls, by what happens at one of them, and by whose call it is. `points` goes through
k = 1, 2, ... until the k-th call is not made any more, so what it found can be repeated from its description alone.
Counting begins when pexen begins: what an interpreter does before that is not looked at.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tests.crash import suite
from tests.crash.aftermath import ask, resume, violations
from tests.crash.sessions import Ended, Nursery

#: Points that are tried at once.
AT_ONCE = 2

#: More calls of a class than any session makes.
MOST_CALLS = 5000

CLONES = "clone,clone3,vfork,fork"
KILL = "signal=KILL"


class Fault(NamedTuple):
    who: str  #: "runner", "keeper" or "worker"
    calls: str  #: a class of system calls, as strace writes it
    what: str  #: "signal=KILL" or "error=EIO" ...

    def __str__(self) -> str:
        return f"{self.who} {self.calls.partition(',')[0]} {self.what}"


class Point(NamedTuple):
    """The k-th call of a fault, and what came of it."""

    fault: Fault
    k: int
    was_hit: bool
    session: Ended
    violations: list[str]

    def __str__(self) -> str:
        return f"{self.fault} when={self.k}: {'; '.join(self.violations)} (the session: {self.session.err[-500:]})"


KILLED_RUNNER = tuple(Fault("runner", calls, KILL) for calls in ("pwrite64", "fdatasync", "fcntl", CLONES))
KILLED_KEEPER = tuple(
    Fault("keeper", calls, KILL)
    for calls in (CLONES, "wait4", "poll", "sendto,sendmsg", "recvfrom,recvmsg", "kill", "pwrite64,fdatasync,fcntl")
)
FAILING = (
    Fault("runner", "fdatasync", "error=EIO"),
    Fault("runner", "pwrite64", "error=EIO"),
    Fault("runner", "pwrite64", "error=ENOSPC"),
    Fault("runner", "fcntl", "error=ENOLCK"),
    Fault("runner", CLONES, "error=EAGAIN"),
    Fault("keeper", CLONES, "error=EAGAIN"),
)
#: What the box may refuse besides.
REFUSED = (
    Fault("runner", "fdatasync", "error=ENOSPC"),
    Fault("runner", "pread64", "error=EIO"),
    Fault("runner", "ftruncate", "error=EIO"),
    Fault("runner", "fallocate", "error=ENOSPC"),
    Fault("runner", "rename", "error=EIO"),
    Fault("runner", "unlink", "error=EIO"),
    Fault("runner", "mkdir", "error=ENOSPC"),
    Fault("runner", "openat", "error=EMFILE"),
    Fault("runner", "openat", "error=ENFILE"),
    Fault("runner", "openat", "error=EIO"),
    # Each by itself: strace counts the calls of each name.
    *(
        Fault("runner", call, "error=EMFILE")
        for call in ("socketpair", "socket", "pipe2", "eventfd2", "epoll_create1", "pidfd_open")
    ),
    Fault("runner", "flock", "error=ENOLCK"),
    Fault("runner", "mmap", "error=ENOMEM"),
    Fault("runner", "poll", "error=ENOMEM"),
    Fault("runner", "sendto", "error=ENOMEM"),
    Fault("runner", CLONES, "error=ENOMEM"),
    Fault("keeper", "openat", "error=EMFILE"),
    Fault("keeper", "pipe2", "error=EMFILE"),
    Fault("keeper", "pidfd_open", "error=EMFILE"),
    Fault("keeper", "poll", "error=ENOMEM"),
    Fault("keeper", "sendto", "error=ENOMEM"),
    Fault("keeper", CLONES, "error=ENOMEM"),
    Fault("worker", "openat", "error=EMFILE"),
    Fault("worker", "openat", "error=ENOSPC"),
    Fault("worker", "mkdir", "error=ENOSPC"),
    Fault("worker", CLONES, "error=EAGAIN"),
    Fault("worker", CLONES, "error=ENOMEM"),
)
#: How an executable says that the box did not let it begin. It has failed then, and nobody else has.
NOT_BEGUN = (
    "its files cannot be made: ",
    "could not be started: ",
    "what the task left in PEXEN_SHARED cannot be read: ",
)


def why_not() -> str | None:
    """Why no fault can be brought about here, None if it can."""
    try:
        tried = subprocess.run(
            ["strace", "-qq", "-o", "/dev/null", "-e", "inject=getpid:error=EPERM", "true"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return "there is no strace here"
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else None


@contextmanager
def traced(pid: int, *options: str) -> Iterator[None]:
    """Trace one thread of a process. Entered when the tracer is there; left when it has gone."""
    words = ["strace", *options, "-p", str(pid)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        for line in tracer.stderr:
            if "attached" in line:
                break
        else:
            raise AssertionError(f"strace did not attach to {pid}")
        yield
        tracer.stderr.read()  # to its end, which comes when the process is gone


def _held(fault: Fault) -> list[str]:
    return ["--hold", fault.who, *(["--workers", "1"] if fault.who == "worker" else [])]


def inject(nursery: Nursery, directory: Path, pool: str, fault: Fault, k: int | str) -> tuple[bool, Ended]:
    """One session with the fault at the k-th call, or from it on ("2+"): whether it came to that, and how it ended."""
    session = suite.start(nursery, directory, pool, *_held(fault))
    trace = directory / "strace"
    pid = session.held()
    assert pid, f"it ended before it held: {session.wait().err}"
    options = ("-o", str(trace), "-e", f"trace={fault.calls}", "-e", f"inject={fault.calls}:{fault.what}:when={k}")
    with traced(pid, *options):
        session.go_on()
        ended = session.wait()
    told = trace.read_text()
    trace.unlink()
    was_hit = "killed by SIGKILL" in told if fault.what == KILL else "(INJECTED)" in told
    return was_hit, ended


def try_point(nursery: Nursery, directory: Path, pool: str, fault: Fault, k: int) -> Point:
    """Bring the fault about, resume if that is needed, and look."""
    was_hit, session = inject(nursery, directory, pool, fault, k)
    wrong = list(_not_documented(fault, session))
    sessions = [session]
    if session.code != 0:
        try:
            sessions += resume(nursery, directory, pool)
        except AssertionError as error:
            return Point(fault, k, was_hit, session, [*wrong, str(error)])
    wrong += violations(directory, sessions)
    if fault.who == "worker":
        excused = _could_not_begin(directory)
        wrong = [one for one in wrong if not one.startswith(tuple(f"{key} " for key in excused))]
    return Point(fault, k, was_hit, session, wrong)


def _could_not_begin(directory: Path) -> list[str]:
    reasons = ask(directory, "SELECT task, reason FROM tasks WHERE task LIKE 'shell/%' AND verdict = 'error'")
    return [str(task) for task, reason in reasons if str(reason).startswith(NOT_BEGUN)]


def _not_documented(fault: Fault, session: Ended) -> Iterator[str]:
    """How a session may end: by its own end, by the kill, or with an error of pexen that is a sentence."""
    if "Traceback" in session.err:
        yield "somebody printed a traceback"
    if session.code == 0 or (session.was_killed and fault == (fault.who, fault.calls, KILL) and fault.who == "runner"):
        return
    if session.code != suite.JOURNAL_FAILED:
        yield f"the session ended with {session.code}"


class Place(NamedTuple):
    """Where a fault is brought about: in sessions of which pool, beginning with what."""

    nursery: Nursery
    base: Path  #: for directories, one a point
    pool: str
    start: Path | None = None  #: a directory with what an earlier session left; without it there is nothing yet

    def directory(self, name: str) -> Path:
        made = self.base / name
        if self.start is not None:
            subprocess.run(["cp", "-a", str(self.start), str(made)], check=True)  # its socket, too
        else:
            made.mkdir()
        return made


def points(place: Place, fault: Fault, sample: int | None = None) -> Iterator[Point]:
    """Every point of a fault, or so many of them, chosen by a seed that is the fault itself.

    A point that a session did not reach does not count: another is taken for it, as long as there are others, since no
    two sessions make the same calls (a busy machine answers later, and more at once).

    The directory of a point that is bad is kept. Fails if there is no such point: nothing would have been tried.
    """

    def one(k: int) -> Point:
        directory = place.directory(f"{fault}-{k}".replace(" ", "-"))
        point = try_point(place.nursery, directory, place.pool, fault, k)
        if not point.violations:
            shutil.rmtree(directory)
        return point

    numbers = iter(range(1, MOST_CALLS))
    wanted = MOST_CALLS
    if sample is not None:
        count = how_many(place, fault)
        numbers = iter(random.Random(str(fault)).sample(range(1, count + 1), count))
        wanted = sample
    hits = 0
    with ThreadPoolExecutor(AT_ONCE) as executor:
        coming: deque[Future[Point]] = deque()
        while True:
            more = min(AT_ONCE, wanted - hits) - len(coming)
            coming.extend(executor.submit(one, k) for k in islice(numbers, max(more, 0)))
            if not coming:
                assert hits, f"{fault}: no session made such a call"
                return
            point = coming.popleft().result()
            if not point.was_hit and sample is None:
                numbers = iter(())  # no session makes that many calls
            hits += point.was_hit
            if point.was_hit or point.violations:
                yield point


def how_many(place: Place, fault: Fault) -> int:
    """How often a session makes such a call when nothing happens to it."""
    directory = place.directory(f"{fault}-count".replace(" ", "-"))
    session = suite.start(place.nursery, directory, place.pool, *_held(fault))
    trace = directory / "strace"
    with traced(session.held(), "-o", str(trace), "-e", f"trace={fault.calls}", "-e", "signal=none"):
        session.go_on()
        ended = session.wait()
    assert ended.code == 0, ended.err
    return sum("(" in line for line in trace.read_text().splitlines())
