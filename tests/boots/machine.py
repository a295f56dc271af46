"""A box in namespaces: its own first process, its own /proc, /run and boot id, and this machine's disk.

    machine:main DIRECTORY BOOT_ID [--outage KIND:N]... -- PEXEN'S WORDS

One boot. The first process runs pexen, and goes down with everything in it when it is told to, which is what a power
loss does to processes. To it a task writes a line into /run/began. From inside it is told

    USR1    the power is lost: it ends at once, and the kernel kills all others
    USR2    somebody reboots or shuts down: systemd says `stopping`, pexen gets a SIGTERM, all others are killed

and by `--outage` to do something when so many tasks have begun since the last outage:

    crash, shutdown       as above
    runner, both          SIGKILL to the runner, or to it and its keepers; `pexen resume` goes on in the same boot

A run that is found parked is resumed once more.

Nothing here can reach the machine that it runs on: /proc/sysrq-trigger and /dev/kmsg are /dev/null, and what would ask
for a reboot is a script.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import NoReturn

from pexen_state.cli.errors import Exit
from pexen_state.cli.main import main as pexen
from tests.crash.witness import NAME

#: Exit codes of a boot whose pexen did not come to an end of its own.
CRASHED, WENT_DOWN = 70, 71

#: Pokes of tasks arrive here.
BEGAN = "/run/began"
STOPPING = Path("/run/stopping")

_CLONE_NEWNS, _CLONE_NEWPID = 0x20000, 0x20000000
MS_BIND, MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)

#: What a box that is going down gives a process to end by itself, in seconds.
_GRACE = 60.0


def _checked(result: int, what: str) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def mount(source: str, target: str, kind: str = "none", flags: int = 0) -> None:
    _checked(_libc.mount(source.encode(), target.encode(), kind.encode(), flags, None), f"mount {target}")


def unshare(more: int = 0) -> None:
    """The next process that is forked is the first of a box; mounts from now on are its own."""
    _checked(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWPID | more), "unshare")
    mount("none", "/", flags=MS_REC | _MS_PRIVATE)


def why_not() -> str | None:
    """Why there can be no such box here; None if there can."""
    child = os.fork()
    if child == 0:
        try:
            unshare()
            if os.fork() == 0:
                os._exit(0)
            os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
        except OSError as error:
            os._exit(error.errno or 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return os.strerror(code) if code else None


def main() -> NoReturn:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("boot_id")
    parser.add_argument("--outage", action="append", default=[])
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    unshare()
    first = os.fork()
    if first == 0:
        code = 99
        try:
            code = _First(asked.directory, asked.words, asked.outage).run(asked.boot_id)
        except BaseException as error:  # noqa: BLE001 - it ends here, whatever it is
            print(f"the first process of the box: {error!r}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    # When the first process is gone, all others are.
    os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]))


class _First:
    """The first process of a box."""

    def __init__(self, directory: Path, words: list[str], outages: list[str]) -> None:
        self._directory = directory
        self._words = words
        self._outages = [(kind, int(number)) for kind, _, number in (one.partition(":") for one in outages)]
        self._began = 0
        self._runner = 0
        self._pokes = -1
        self._goes_on = False  # in this boot
        self._was_parked = False
        self._is_stopping = False

    def run(self, boot_id: str) -> int:
        self._furnish(boot_id)
        heard, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(wakeup)
        self._pokes = began = os.open(BEGAN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._start(self._words)
        patience = None
        while True:
            ready, _, _ = select.select([heard, began], [], [], patience)
            if not ready:
                return WENT_DOWN  # it would not end
            signals = os.read(heard, 4096) if heard in ready else b""
            if signal.SIGUSR1 in signals:
                return CRASHED
            if began in ready:
                self._began += os.read(began, 4096).count(b"\n")
                if self._outages and self._began >= self._outages[0][1]:
                    kind, _ = self._outages.pop(0)
                    if kind == "crash":
                        return CRASHED
                    self._disturb(kind)
            if signal.SIGUSR2 in signals:
                self._go_down()
            if signal.SIGCHLD in signals and (code := self._reap()) is not None:
                return code
            patience = _GRACE if self._is_stopping else None

    def _furnish(self, boot_id: str) -> None:
        mount("proc", "/proc", "proc")
        for dangerous in filter(os.path.exists, ("/proc/sysrq-trigger", "/dev/kmsg")):
            mount("/dev/null", dangerous, flags=MS_BIND)
        file = self._directory / "boot_id"
        file.write_text(f"{boot_id}\n")
        mount(str(file), "/proc/sys/kernel/random/boot_id", flags=MS_BIND)
        mount("tmpfs", "/run", "tmpfs")
        os.makedirs("/run/systemd/system")
        os.mkfifo(BEGAN)

    def _start(self, words: list[str]) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._pokes, 4096)  # of tasks that are dead
        self._began = 0
        self._runner = os.fork()
        if self._runner:
            return
        code = 98
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            # What it shows goes where tasks note what they do: so it is clear what was first.
            log = os.open(self._directory / NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(log, 1)
            os.close(log)
            os.environ["PATH"] = f"{self._directory}/bin:{os.environ['PATH']}"
            sys.argv = ["pexen", "--journal", str(self._directory / "journal.db"), *words]
            pexen()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _disturb(self, kind: str) -> None:
        if kind == "shutdown":
            self._go_down()
            return
        self._goes_on = True
        victims = [self._runner]
        if kind == "both":
            said = json.loads((self._directory / "journal.db.lock").read_text())
            victims += [pid for pid, _ in said["keepers"]]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _go_down(self) -> None:
        self._is_stopping = True
        STOPPING.touch()
        os.kill(self._runner, signal.SIGTERM)

    def _reap(self) -> int | None:
        """What the boot ends with, if it does now."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if pid != self._runner:
                    continue
                if self._is_stopping:
                    return WENT_DOWN
                code = os.waitstatus_to_exitcode(status)
                if code == Exit.UNFINISHED and not self._was_parked:
                    self._was_parked = True  # whoever resumes it once more goes on
                elif not self._goes_on:
                    return abs(code)
                else:
                    self._goes_on = self._was_parked = False
                with open(self._directory / "journal.db.lock") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX)  # the keeper has it until all that it was in charge of is dead
                self._start(["resume"])
        return None
