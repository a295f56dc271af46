"""Files that belong to a result: they are taken into the directory of artifacts of the attempt.

What is there already stays where it is; all else is copied, as a regular file. No link is followed, neither to what is
copied nor on the way to where it goes: the task may have put one there.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

MOST_BYTES = 100 * 1024 * 1024
_CHUNK = 1024 * 1024


class NotTaken(Exception):
    """The message says which file, and why not."""


def taken(name: str, artifacts: str, directory: str | None) -> str:
    """The name of the file below `artifacts`, in which it is afterwards. Relative names are looked for there first,
    then below `directory`, where the task has run. Raises NotTaken.
    """
    if not _is_name(name):
        raise NotTaken(f"{name}: no file can be called so")
    inside = _inside(name, artifacts)
    if inside is not None:
        return inside
    path = name if os.path.isabs(name) else os.path.join(directory, name) if directory is not None else None
    if path is None:
        raise NotTaken(f"there is no {name} among its artifacts")
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotTaken(f"{name}: {error.strerror}") from None
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise NotTaken(f"{name}: it is no regular file")
        if status.st_size > MOST_BYTES:
            raise NotTaken(f"{name}: it has {status.st_size} bytes, and at most {MOST_BYTES} are taken")
        return _copy(source, os.path.basename(os.path.normpath(name)), artifacts)
    except OSError as error:
        raise NotTaken(f"{name}: {error.strerror}") from None
    finally:
        os.close(source)


def _is_name(name: str) -> bool:
    """JSON, and who calls, can say what is none."""
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _inside(name: str, artifacts: str) -> str | None:
    """The normal form of a name below `artifacts`, if a regular file of that name is there, and no link on the way."""
    if os.path.isabs(name):
        if not os.path.normpath(name).startswith(f"{artifacts}/"):
            return None
        name = os.path.relpath(os.path.normpath(name), artifacts)
    parts = os.path.normpath(name).split("/")
    if not parts or ".." in parts or parts == ["."]:
        return None
    at = None
    try:
        at = os.open(artifacts, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        for part in parts[:-1]:
            below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = below
        status = os.stat(parts[-1], dir_fd=at, follow_symlinks=False)
    except OSError:
        return None
    finally:
        if at is not None:
            os.close(at)
    return "/".join(parts) if stat.S_ISREG(status.st_mode) else None


def _copy(source: int, name: str, artifacts: str) -> str:
    """Under the file's own name, or the first like it that is free. Raises OSError."""
    with suppress(FileExistsError):
        os.mkdir(artifacts, 0o700)
    at = os.open(artifacts, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        copy, file = _free(name, at)
        try:
            while data := os.read(source, _CHUNK):
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)
        return copy
    finally:
        os.close(at)


def _free(name: str, at: int) -> tuple[str, int]:
    stem, dot, end = name.rpartition(".")
    count = 1
    copy = name
    while True:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            return copy, os.open(copy, flags, 0o600, dir_fd=at)
        except FileExistsError:
            count += 1
            copy = f"{stem}-{count}{dot}{end}" if stem else f"{name}-{count}"
