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
from typing import Any, NamedTuple

from pexen_state.journal import codec
from pexen_state.sched.pool.base import Context
from pexen_state.sched.pool.output import Private, make_directory
from pexen_state.util import PexenError

_FIRST = "1"
_SHARED, _ARTIFACTS, _DATA = "shared.json", "artifacts", "data"


def take(context: Context) -> None:
    """Make the directories of an attempt. To be called within `Private`. Raises OSError if they cannot be made."""
    if context.directory is not None:
        # From above: what is missing is made by one call each, and nothing is tried in vain.
        make_directory(os.path.dirname(context.directory))
        make_directory(context.directory, below_ours=True)
        make_directory(f"{context.directory}/{_ARTIFACTS}", below_ours=True)
    if context.data is not None:
        make_directory(context.data, below_ours=context.directory is not None)


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
    written: bytes  #: what the task found in it

    @classmethod
    def write(cls, context: Context, shared: dict[str, Any]) -> SharedFile | None:
        if context.directory is None:
            return None
        path = f"{context.directory}/{_SHARED}"
        text = codec.encode(shared, "shared").encode("ascii") + b"\n" if shared else b"{}\n"
        file = _open_new(path)
        try:
            rest = memoryview(text)
            while rest:
                rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)
        return cls(path, text)

    def read_back(self, shared: dict[str, Any]) -> bool:
        """Take over what the task wrote. False if it wrote nothing. Raises PexenError if that is not a JSON object."""
        try:
            content = self._content()
            if content == self.written:
                return False
            text = content.decode("utf-8")
            if type(json.loads(text)) is not dict:
                raise ValueError("it is not an object, {...}")
            found = codec.decode(text)
            if type(found) is not dict:
                raise ValueError("it is not an object, {...}")
        except (OSError, ValueError, codec.NotDecodable) as error:
            raise PexenError(f"what the task left in PEXEN_SHARED cannot be read: {error}") from error
        shared.clear()
        shared.update(found)
        return True

    def _content(self) -> bytes:
        # If the task has put a pipe in its place, nobody waits for somebody to write into that.
        file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            # Almost always nobody has touched it, and then this is all of it.
            content = os.read(file, len(self.written) + 1)
            if len(content) <= len(self.written):
                return content
            with open(file, "rb", closefd=False) as rest:
                return content + rest.read()
        finally:
            os.close(file)


def _open_new(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with Private():
        try:
            return os.open(path, flags, 0o600)
        except FileExistsError:  # of an attempt of the same number
            os.unlink(path)
            return os.open(path, flags, 0o600)
