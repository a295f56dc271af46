"""Where a task finds its files: the directories of its attempt, and the file of PEXEN_SHARED.

    TASK/data                   PEXEN_DATA, for all attempts of the task
    TASK/1/artifacts            PEXEN_ARTIFACTS of the first attempt
    TASK/1/shared.json          PEXEN_SHARED
    TASK/1/output.log           what it prints (`output`)

A python task has its output file alone; if it is silent, that goes with the directories that were made for it.

All of it is there when an executable starts. Most jobs of a long list use nothing of it, and making it takes
longer than many of them run; so what a first attempt that passed left as it was made is put aside by its worker,
and goes to the next one there, by renaming TASK. What is put aside last is removed when the pool is closed. Who
passed and printed something keeps that alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import time
from typing import Any, NamedTuple

from pexen_state.journal import codec
from pexen_state.sched.pool.base import Context
from pexen_state.sched.pool.output import make_directory, open_output
from pexen_state.util import PexenError

_FIRST = "1"
_ASIDE = ".unused"  # a directory among those of the tasks, which are never hidden
_SHARED, _ARTIFACTS, _DATA = "shared.json", "artifacts", "data"


class Places:
    """Of one worker."""

    def __init__(self) -> None:
        self._unused: str | None = None  #: a TASK that was left as it was made, put aside

    def take(self, context: Context) -> bool:
        """Have the directories of an attempt. True if PEXEN_SHARED is there already, and empty.

        Raises OSError if they cannot be made.
        """
        task = _task_of(context)
        unused, self._unused = self._unused, None
        if unused is not None and task is not None and unused.startswith(os.path.dirname(task) + os.sep):
            with contextlib.suppress(OSError):  # it was removed, or there is something in its place already
                os.rename(unused, task)
                return True
        if context.directory is not None:
            make_directory(os.path.join(context.directory, _ARTIFACTS))
        if context.data is not None:
            make_directory(context.data)
        return False

    def leave(self, context: Context, output: str, has_output: bool) -> None:
        """After a first attempt that passed, and touched no `shared`: take back what it did not use.

        Before anybody is told of its end: whoever runs this task again makes its directories anew.
        """
        task = _task_of(context)
        if task is None:
            return
        directory = os.path.join(task, _FIRST)
        artifacts, data = os.path.join(directory, _ARTIFACTS), os.path.join(task, _DATA)
        with contextlib.suppress(OSError):
            if not has_output:
                # Never the file itself: somebody may have it open, to see what this task prints.
                os.unlink(output)
            is_unused = _holds(artifacts, set()) and _holds(data, set())
            if is_unused and _holds(task, {_FIRST, _DATA}) and _holds(directory, {_ARTIFACTS, _SHARED}):
                self._put_aside(task)
            elif is_unused:
                os.unlink(os.path.join(directory, _SHARED))
                os.rmdir(artifacts)
                os.rmdir(data)

    def _put_aside(self, task: str) -> None:
        aside = os.path.join(os.path.dirname(task), _ASIDE)
        make_directory(aside)
        unused = os.path.join(aside, str(os.getpid()))
        os.rename(task, unused)
        self._unused = unused


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


def clear(data: str) -> None:
    """When no worker is left: remove what they, and those of earlier sessions, put aside. `data` is any task's."""
    shutil.rmtree(os.path.join(os.path.dirname(os.path.dirname(data)), _ASIDE), ignore_errors=True)


def _task_of(context: Context) -> str | None:
    """The directory above those of a first attempt, if they lie as the journal lays them."""
    if context.directory is None or context.data is None:
        return None
    task, name = os.path.split(context.directory)
    return task if name == _FIRST and context.data == os.path.join(task, _DATA) else None


def _holds(directory: str, names: set[str]) -> bool:
    """Whether it is as it was made, with exactly this in it."""
    status = os.lstat(directory)
    return (
        status.st_mode == stat.S_IFDIR | 0o700 and status.st_uid == os.geteuid() and set(os.listdir(directory)) == names
    )


class SharedFile(NamedTuple):
    """The file by which an executable reads and writes `shared`."""

    path: str
    stamp: tuple[int, ...]  #: to see that nobody touched it

    @classmethod
    def write(cls, context: Context, shared: dict[str, Any], is_there: bool) -> SharedFile | None:
        """Write it; an empty one that `is_there` already will do."""
        if context.directory is None:
            return None
        path = os.path.join(context.directory, _SHARED)
        if is_there and not shared:
            return cls(path, _stamp(os.stat(path)))
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
