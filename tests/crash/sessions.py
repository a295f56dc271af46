"""Sessions that begin at once: a nursery imports everything a single time, and forks a session whenever it is asked.

A session is a process like any other: it has its own descriptors and directory, may be killed and traced, and leaves
its exit status. What it does not have is the half second in which an interpreter loads a database. The nursery has
no thread and opens no file of a session.

It knows nothing of what is run: a session is a `main` somewhere, and the words of its command line.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

ROOT = Path(__file__).parent.parent.parent

#: What is imported once. The first are the suites, which bring most of pexen; the others are what a session
#: would only import when it needs them.
PRELOADED = (
    "tests.crash.suite",
    "tests.crash.any_suite",
    "tests.crash.adding_suite",
    "tests.crash.misbehaving",
    "pexen_state.sched.journaled",
    "pexen_state.sched.pool.process",
    "pexen_state.sched.pool.thread",
    "pexen_state.cli.main",
    "pexen_state.cli.verbs.run",
    "pexen_state.cli.verbs.resume",
    "pexen_state.cli.running.session",
    "sqlalchemy.dialects.sqlite",
)

#: Seconds. A guard, never a measure of anything.
HANGS_AFTER = 120.0

_MOST_BYTES = 64 * 1024


class Ended(NamedTuple):
    """How a session ended: an exit code, negative for a signal, as `subprocess` has it."""

    code: int
    out: str
    err: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Session:
    """A session that has begun. Its standard input is a socket, `line`: it can be held until it hears from us."""

    def __init__(self, pid: int, news: IO[str], out: IO[bytes], err: IO[bytes], line: socket.socket) -> None:
        self.pid = pid
        self.line = line
        self._news, self._out, self._err = news, out, err
        self._ended: Ended | None = None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def held(self) -> int:
        """Wait until the session holds; returns the pid of the process of it that does, 0 if it ended instead."""
        self.line.settimeout(HANGS_AFTER)
        return int(self.line.recv(64) or 0)

    def go_on(self) -> None:
        self.line.send(b"\n")

    def has_said(self, within: float) -> bool:
        """Whether it holds, or has ended; looks for so many seconds at most."""
        return bool(select.select([self.line], [], [], within)[0])

    def has_ended(self, within: float) -> bool:
        """Whether it has; looks for so many seconds at most."""
        return self._ended is not None or bool(select.select([self._news], [], [], within)[0])

    def wait(self) -> Ended:
        """Wait for its end. Processes that it has left behind are not waited for."""
        if self._ended is None:
            if not self.has_ended(within=HANGS_AFTER):
                self.kill()
                raise AssertionError(f"the session {self.pid} hangs: {_text_of(self._err)[-2000:]}")
            code = int(self._news.readline())
            self._ended = Ended(code, _text_of(self._out), _text_of(self._err))
            self._news.close()
            self.line.close()
        return self._ended


def _text_of(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode("utf-8", "replace")


class Nursery:
    """Where sessions come from; to be closed."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.sessions", str(theirs.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        self._socket.close()
        self._process.wait()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, main: str, words: Iterable[str], directory: str | Path, **environment: str) -> Session:
        """Begin `main` ("module:function") with these words, in this directory. May be called by several threads."""
        ours, line = socket.socketpair()
        reading, writing = os.pipe2(os.O_CLOEXEC)
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - the session closes them
        said = json.dumps({"main": main, "words": [*words], "cwd": str(directory), "env": environment})
        descriptors = [line.fileno(), out.fileno(), err.fileno(), writing]
        socket.send_fds(self._socket, [said.encode()], descriptors)
        line.close()
        os.close(writing)
        news = os.fdopen(reading)
        return Session(int(news.readline()), news, out, err, ours)


def serve(orders: socket.socket) -> None:
    """Fork sessions until nobody can ask for one any more."""
    for module in PRELOADED:
        import_module(module)
    while True:
        said, descriptors, _, _ = socket.recv_fds(orders, _MOST_BYTES, 4)
        if not said:
            return
        # A parent for each session, which waits for nothing else.
        if os.fork() == 0:
            orders.close()
            _be_parent(json.loads(said), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def _be_parent(order: dict[str, Any], descriptors: list[int]) -> NoReturn:
    news = descriptors[-1]
    pid = os.fork()
    if pid == 0:
        os.close(news)
        _be_session(order, descriptors[:-1])
    os.write(news, f"{pid}\n".encode())
    for descriptor in descriptors[:-1]:
        os.close(descriptor)
    _, status = os.waitpid(pid, 0)
    os.write(news, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _be_session(order: dict[str, Any], descriptors: list[int]) -> NoReturn:
    code = 1
    try:
        for standard, descriptor in enumerate(descriptors):
            os.dup2(descriptor, standard)
            os.close(descriptor)
        os.chdir(order["cwd"])
        os.environ.update(order["env"])
        module, _, function = order["main"].partition(":")
        sys.argv = [module, *order["words"]]
        getattr(import_module(module), function)()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # noqa: BLE001 - the nursery's stack below us must never be unwound here
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
