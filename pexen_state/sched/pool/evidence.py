"""What an attempt was at when its time was over: laid beside its output, before the first signal is sent.

The stacks of python, the processes with what they wait for and have open, and what the kernel said last. It is looked
for in a hurry: whatever cannot be had at once is left out, and nothing here fails.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator

from pexen_state.box import kernel_log
from pexen_state.core.states import Verdict
from pexen_state.journal.records import SubResult
from pexen_state.sched.pool import tree

FILE = "evidence.txt"

#: On this a worker writes down the stacks of its threads. Not one that somebody is in the habit of using.
_SIGNAL = signal.SIGRTMAX - 7
_PATIENCE = 0.3
_SETTLED = 0.02

_MOST_PROCESSES = 50
_MOST_FILES = 64
_MOST_MESSAGES = 50
_LONGEST_LINE = 400
_MOST_BYTES = 256 * 1024


class Stacks:
    """Where one worker writes its stacks: made by the keeper before the fork, so that both have it."""

    def __init__(self) -> None:
        self._fd = os.memfd_create("stacks", os.MFD_CLOEXEC)

    def write_when_asked(self) -> None:
        """In the worker. It is done in C, so a task that never comes back to python, or holds its lock, is seen too."""
        faulthandler.register(_SIGNAL, file=self._fd, all_threads=True, chain=False)

    def of(self, pid: int) -> str:
        """In the keeper: what the worker writes now; "" if it does not come in time."""
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.ftruncate(self._fd, 0)
        if not tree.send(pid, _SIGNAL):
            return ""
        until, size = time.monotonic() + _PATIENCE, -1
        while time.monotonic() < until and (size <= 0 or size != os.fstat(self._fd).st_size):
            size = os.fstat(self._fd).st_size
            time.sleep(_SETTLED)
        return os.pread(self._fd, _MOST_BYTES, 0).decode("utf-8", "replace")

    def close(self) -> None:
        os.close(self._fd)


def keep(worker: int, output: int | None, reason: str, stacks: Stacks | None) -> str | None:
    """Of the attempt that a worker process is at, whose output goes to its descriptor `output`.

    `stacks` are None for an executable. Returns the path, None if there is no place for it, or it could not be written.
    """
    if output is None:
        return None
    try:
        directory = os.path.dirname(os.readlink(f"/proc/{worker}/fd/{output}"))
        lines = [f"ended: {reason}"]
        if stacks is not None:
            lines += ["", "== stacks", stacks.of(worker)]
        lines += ["", "== processes", *_processes(worker), "", "== the kernel's last messages", *_messages()]
        return _write(directory, lines)
    except OSError:
        return None


def of_thread(thread: int | None, directory: str | None, reason: str) -> str | None:
    """Of an attempt in a thread of this process, by the thread's identity."""
    if directory is None:
        return None
    lines = [f"ended: {reason}"]
    # The one that was at it first.
    frames = sorted(sys._current_frames().items(), key=lambda item: item[0] != thread)
    for identity, frame in frames:
        whose = "the attempt's thread" if identity == thread else f"thread {identity}"
        lines += ["", f"== {whose}", *(line.rstrip("\n") for line in traceback.format_stack(frame))]
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        return _write(directory, lines)
    except OSError:
        return None


def result(path: str | None) -> tuple[SubResult, ...]:
    """What is told of it."""
    if path is None:
        return ()
    return (SubResult("evidence", Verdict.INFO, f"what it was at when it was ended: {path}"),)


def _write(directory: str, lines: Iterable[str]) -> str:
    path = os.path.join(directory, FILE)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="replace") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def _processes(root: int) -> Iterator[str]:
    """The worker and all that descends from it."""
    here = tree.look_at(root)
    found = [*([here] if here is not None else []), *tree.descendants(root)]
    for process in found[:_MOST_PROCESSES]:
        waits = _read(f"/proc/{process.pid}/wchan") or "-"
        words = " ".join(_read(f"/proc/{process.pid}/cmdline").split("\0")) or f"[{process.name}]"
        yield _plain(f"{process.pid} of {process.parent}  {process.state}  waits in {waits}  {words}")
        yield from _open_files(process.pid)
    if len(found) > _MOST_PROCESSES:
        yield f"and {len(found) - _MOST_PROCESSES} more"


def _open_files(pid: int) -> Iterator[str]:
    try:
        numbers = sorted(map(int, os.listdir(f"/proc/{pid}/fd")))
    except OSError:
        return
    for number in numbers[:_MOST_FILES]:
        try:
            yield _plain(f"    {number} -> {os.readlink(f'/proc/{pid}/fd/{number}')}")
        except OSError:
            continue
    if len(numbers) > _MOST_FILES:
        yield f"    and {len(numbers) - _MOST_FILES} more"


def _messages() -> Iterator[str]:
    for message in kernel_log.last_messages(_MOST_MESSAGES):
        yield _plain(f"[{message.seconds:12.6f}] {message.text}")


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_LONGEST_LINE).decode("utf-8", "surrogateescape").strip("\0\n")
    except OSError:
        return ""


def _plain(line: str) -> str:
    """One line, whatever its words are made of."""
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in line)
    return shown[:_LONGEST_LINE]
