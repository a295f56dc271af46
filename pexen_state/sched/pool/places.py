"""Where a task finds its files: the directories of its attempt, and the file of PEXEN_SHARED.

    TASK/data                   PEXEN_DATA, for all attempts of the task
    TASK/1/artifacts            PEXEN_ARTIFACTS of the first attempt
    TASK/1/shared.json          PEXEN_SHARED
    TASK/1/output.log           what it prints (`output`)

A python task has its output file alone; if it is silent, that goes with the directories that were made for it.

All of it is there when an executable starts, made for it alone: a process, or a person's shell, that stays where
one task had its files must never find itself among those of another. Most jobs of a long list use nothing of it; so
what a first attempt that passed left empty is removed by its worker. Who passed and printed something keeps
that alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, NamedTuple

from pexen_state.journal import codec
from pexen_state.sched.pool.base import Context
from pexen_state.sched.pool.output import make_directory, open_output
from pexen_state.util import PexenError

_FIRST = "1"
_SHARED, _ARTIFACTS, _DATA = "shared.json", "artifacts", "data"


def take(context: Context) -> None:
    """Make the directories of an attempt. Raises OSError if they cannot be made."""
    if context.directory is not None:
        make_directory(os.path.join(context.directory, _ARTIFACTS))
    if context.data is not None:
        make_directory(context.data)


def leave(context: Context, output: str, has_output: bool) -> None:
    """After a first attempt that passed, and touched no `shared`: remove what it did not use.

    Before anybody is told of its end: whoever runs this task again makes its directories anew.
    """
    task = _task_of(context)
    if task is None:
        return
    directory = os.path.join(task, _FIRST)
    with contextlib.suppress(OSError):  # what holds something stays, with all that is above it
        if not has_output:
            # Never the file itself: somebody may have it open, to see what this task prints.
            os.unlink(output)
        os.rmdir(os.path.join(task, _DATA))
        os.rmdir(os.path.join(directory, _ARTIFACTS))
        os.unlink(os.path.join(directory, _SHARED))
        os.rmdir(directory)
        os.rmdir(task)


def leave_silent(context: Context, output: str) -> None:
    """After a python task that printed nothing: remove its output file, and its directories if nothing else is there.

    Before anybody is told of its end: whoever runs this task again makes them anew.
    """
    attempt = os.path.dirname(output)
    if attempt != context.directory:
        return  # nobody said that they are ours
    with contextlib.suppress(OSError):
        os.unlink(output)
        os.rmdir(attempt)
        os.rmdir(os.path.dirname(attempt))


def _task_of(context: Context) -> str | None:
    """The directory above those of a first attempt, if they lie as the journal lays them."""
    if context.directory is None or context.data is None:
        return None
    task, name = os.path.split(context.directory)
    return task if name == _FIRST and context.data == os.path.join(task, _DATA) else None


class SharedFile(NamedTuple):
    """The file by which an executable reads and writes `shared`."""

    path: str
    stamp: tuple[int, ...]  #: to see that nobody touched it

    @classmethod
    def write(cls, context: Context, shared: dict[str, Any]) -> SharedFile | None:
        if context.directory is None:
            return None
        path = os.path.join(context.directory, _SHARED)
        text = codec.encode(shared, "shared") if shared else "{}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with open(open_output(path), "wb") as file:
            file.write(text.encode("ascii") + b"\n")
            file.flush()
            # A clock's tick is longer than some tasks: what they write at once would have the same time as this.
            long_ago = time.time() - 60
            os.utime(file.fileno(), (long_ago, long_ago))
            return cls(path, _stamp(os.fstat(file.fileno())))

    def was_touched(self) -> bool:
        try:
            return _stamp(os.stat(self.path)) != self.stamp
        except OSError:
            return True

    def read_back(self, shared: dict[str, Any]) -> None:
        """Take over what was written. Raises PexenError if that is not a JSON object."""
        try:
            with open(self.path, "rb") as file:
                text = file.read().decode("utf-8")
            if type(json.loads(text)) is not dict:
                raise ValueError("it is not an object, {...}")
            found = codec.decode(text)
            if type(found) is not dict:
                raise ValueError("it is not an object, {...}")
        except (OSError, ValueError, codec.NotDecodable) as error:
            raise PexenError(f"what the task left in PEXEN_SHARED cannot be read: {error}") from error
        shared.clear()
        shared.update(found)


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mode, status.st_nlink, status.st_ino, status.st_size, status.st_mtime_ns
