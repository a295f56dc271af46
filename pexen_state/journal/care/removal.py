"""Directories of output, removed. What is in them was made by tasks, which may have left anything there.

No symbolic link is followed, no file system that a task left mounted is entered, and no depth is too deep: each
directory is moved up to the top before it is looked into, which the kernel refuses for a mount point.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

#: Added to the name of a directory that is about to go, so that a kill half-way leaves nothing that looks whole.
GOING = ".pruned"


class Left(NamedTuple):
    """What could not be removed."""

    path: str
    why: str


def remove_tree(path: str) -> list[Left]:
    """Remove a directory and all that is in it. What is not there is no mistake. Returns what could not be removed."""
    going = path + GOING
    left = _remove(going)
    if left:
        return left
    try:
        os.rename(path, going)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [_left(path, error)]
    return _remove(going)


def _remove(path: str) -> list[Left]:
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):  # a link to one: the link alone is ours
            os.unlink(path)
            return []
        left = _Tree(path).empty()
        if not left:
            os.rmdir(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [_left(path, error)]
    return left


class _Tree:
    def __init__(self, path: str) -> None:
        self._path = path
        self._moved: set[str] = set()  #: names at the top that we gave; what they name is no mount point
        self._stays: set[str] = set()  #: names at the top that have something in them which cannot be removed
        self._left: list[Left] = []
        self._number = 0

    def empty(self) -> list[Left]:
        with _opened(self._path) as top:
            while names := [name for name in os.listdir(top) if name not in self._stays]:
                for name in names:
                    if name in self._moved:
                        self._empty(top, name)
                    elif not self._take(top, top, name, name):
                        self._stays.add(name)
        return self._left

    def _empty(self, top: int, name: str) -> None:
        """A directory at the top: its files go, its directories come up beside it."""
        try:
            with _opened(name, top) as here:
                gone = [self._take(top, here, below, os.path.join(name, below)) for below in os.listdir(here)]
            if all(gone):
                os.rmdir(name, dir_fd=top)
            else:
                self._stays.add(name)
        except OSError as error:
            self._stays.add(name)
            self._left.append(_left(os.path.join(self._path, name), error))

    def _take(self, top: int, here: int, name: str, path: str) -> bool:
        """Unlink a file, or move a directory up. Whether that could be done."""
        try:
            if not stat.S_ISDIR(os.lstat(name, dir_fd=here).st_mode):
                os.unlink(name, dir_fd=here)
            else:
                with suppress(OSError):  # moving a directory writes into it, too
                    os.chmod(name, 0o700, dir_fd=here)
                moved = self._new_name(top)
                os.rename(name, moved, src_dir_fd=here, dst_dir_fd=top)
                self._moved.add(moved)
        except FileNotFoundError:
            return True
        except OSError as error:
            self._left.append(_left(os.path.join(self._path, path), error))
            return False
        return True

    def _new_name(self, top: int) -> str:
        while True:
            self._number += 1
            try:
                os.lstat(str(self._number), dir_fd=top)
            except FileNotFoundError:
                return str(self._number)


@contextmanager
def _opened(path: str, below: int | None = None) -> Iterator[int]:
    """A descriptor of a directory that may be read and changed, whatever mode a task gave it."""
    with suppress(OSError):  # not ours: then what follows says so
        os.chmod(path, 0o700, dir_fd=below)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=below)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _left(path: str, error: OSError) -> Left:
    said = error.strerror or "unknown error"
    return Left(path, f"{said}: something is mounted there" if error.errno == errno.EBUSY else said)
