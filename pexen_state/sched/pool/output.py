"""Output files: what a task prints goes straight to its file, and through nobody.

Files are 0600 and directories 0700, under any umask.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import stat
import sys
from typing import TextIO

_END_BYTES = 4096  # where a last line is looked for
_LINE_CHARS = 200
_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Private(contextlib.AbstractContextManager[None]):
    """Files and directories that are made meanwhile are for their owner alone, and surely for him."""

    def __enter__(self) -> None:
        self._umask = os.umask(0o077)

    def __exit__(self, *_error: object) -> None:
        os.umask(self._umask)


def make_directory(path: str, *, below_ours: bool = False) -> None:
    """A directory, with those above it that are missing. To be called within `Private`.

    `below_ours`: the one above it was made or looked at just now. Raises NotADirectoryError if a task has put something
    else, such as a link that leads elsewhere, in the place of it or of the one above it.
    """
    parent = os.path.dirname(path)
    try:
        if not below_ours:
            _check_directory(parent)
        os.mkdir(path, 0o700)
    except FileExistsError:
        _check_directory(path)
    except FileNotFoundError:
        if parent in ("", path):
            raise
        make_directory(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)


def _check_directory(path: str) -> None:
    if path and not stat.S_ISDIR(os.lstat(path).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "something else stands where pexen keeps its files", path)


def open_output(path: str) -> int:
    """The file, to append to; its directories are made. To be called within `Private`."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        make_directory(os.path.dirname(path))
        return os.open(path, flags, 0o600)


def has_output(path: str) -> bool:
    """Whether something was printed into an output file."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def last_line(path: str) -> str | None:
    """The last words in an output file, as one line that is not too long; None if it is empty, or no file any more."""
    try:
        # Whatever a task has put in its place is neither followed nor waited for.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            return None
        start = max(status.st_size - _END_BYTES, 0)
        data = os.pread(file, _END_BYTES, start)
    except OSError:
        return None
    finally:
        os.close(file)
    pieces = data.replace(b"\r", b"\n").split(b"\n")
    for number in range(len(pieces) - 1, -1, -1):
        line = " ".join(_COLOURS.sub("", pieces[number].decode("utf-8", "backslashreplace")).split())
        if line:
            # The first piece may be the rest of a longer line.
            before = "..." if start and number == 0 else ""
            return f"{before}{line[:_LINE_CHARS]}{'...' if len(line) > _LINE_CHARS else ''}"
    return None


class Redirected(contextlib.AbstractContextManager[None]):
    """Descriptors 1 and 2, and python's streams on them, lead to a file for the time of one attempt."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._saved: list[int] = []
        self._streams: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)

    def __enter__(self) -> None:
        flush(self._streams)
        for standard in (1, 2):
            self._saved.append(_copy(standard))
            os.dup2(self._file, standard)
        # The host's streams may lead elsewhere: a test runner captures in memory, a daemon has none.
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", "backslashreplace", write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", "backslashreplace", write_through=True)

    def __exit__(self, *_error: object) -> None:
        flush((sys.stdout, sys.stderr))
        sys.stdout, sys.stderr = self._streams
        for standard, saved in zip((1, 2), self._saved, strict=True):
            os.dup2(saved, standard)
            os.close(saved)


def _copy(descriptor: int) -> int:
    try:
        return os.dup(descriptor)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)  # the task before has closed it


def flush(streams: tuple[TextIO, TextIO]) -> None:
    """Never raises."""
    for stream in streams:
        # A task may have closed or replaced them.
        with contextlib.suppress(Exception):
            stream.flush()
