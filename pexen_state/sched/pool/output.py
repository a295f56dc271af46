"""Output files: what a task prints goes straight to its file, and through nobody.

Files are 0600 and directories 0700, under any umask.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO


def make_directory(path: str) -> None:
    """A directory for its owner alone, with those above it that are missing."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if parent in ("", path):
            raise
        make_directory(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
    if _umask_denies_owner():
        os.chmod(path, 0o700)


def open_output(path: str) -> int:
    """The file, to append to; its directories are made."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        file = os.open(path, flags, 0o600)
    except FileNotFoundError:
        make_directory(os.path.dirname(path))
        file = os.open(path, flags, 0o600)
    if _umask_denies_owner():
        os.fchmod(file, 0o600)
    return file


def _umask_denies_owner() -> bool:
    # Nobody has such a umask, almost; and looking is much cheaper than writing the mode a second time.
    umask = os.umask(0o077)
    os.umask(umask)
    return bool(umask & 0o700)


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
