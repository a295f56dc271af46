"""Keys of tasks, and the globs that are asked of them, as both become known one after the other.

A run may be given tasks one by one, each of which comes after another. So neither a new glob nor a new key may cost a
look at all that is there: keys are kept in few sorted lists, of which a new one is as short as what is new, and globs
by what stands before their first special character.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

_SPECIAL = re.compile(r"[*?[]")

Keyed = tuple[str, int]  #: a key, and the task's number


def prefix_of(pattern: str) -> str:
    """What every key begins with that matches the glob. All of it, if nothing in it is special."""
    special = _SPECIAL.search(pattern)
    return pattern[: special.start()] if special else pattern


class Keys:
    """All keys of a run, to be found by glob."""

    def __init__(self, tasks: Iterable[Keyed]) -> None:
        self._sorted = [sorted(tasks)]

    def add(self, tasks: Sequence[Keyed]) -> None:
        """More of them, sorted."""
        lists = self._sorted
        lists.append(list(tasks))
        # Each is more than twice as long as the next one: there are few, and every key is moved a few times.
        while len(lists) > 1 and len(lists[-2]) <= 2 * len(lists[-1]):
            last = lists.pop()
            lists[-1] = sorted(lists[-1] + last)

    def matching(self, pattern: str) -> Iterator[int]:
        """The tasks whose keys match."""
        for tasks in self._sorted:
            yield from matching(tasks, pattern)


class Globs:
    """Globs, to be found by a key that matches."""

    def __init__(self) -> None:
        self._of: dict[str, list[str]] = {}  # by what they begin with
        self._lengths: dict[int, None] = {}  # of that
        self._count = 0

    def add(self, pattern: str) -> None:
        prefix = prefix_of(pattern)
        self._of.setdefault(prefix, []).append(pattern)
        self._lengths[len(prefix)] = None
        self._count += 1

    def matched_by(self, tasks: Sequence[Keyed]) -> Iterator[tuple[str, int]]:
        """(glob, task) of each of the sorted tasks that matches."""
        if self._count < len(tasks) * len(self._lengths):
            for patterns in self._of.values():
                for pattern in patterns:
                    for task in matching(tasks, pattern):
                        yield pattern, task
            return
        for key, task in tasks:
            for length in self._lengths:
                if length <= len(key):
                    for pattern in self._of.get(key[:length], ()):
                        if _matches(key, pattern, len(pattern) > length):
                            yield pattern, task


def matching(tasks: Sequence[Keyed], pattern: str) -> Iterator[int]:
    """Those of the sorted tasks whose keys match the glob. What it begins with is looked up, so that many exact names
    cost no more than a few globs.
    """
    prefix = prefix_of(pattern)
    is_special = len(prefix) < len(pattern)
    for at in range(bisect_left(tasks, (prefix,)), len(tasks)):
        key, task = tasks[at]
        if not key.startswith(prefix):
            return
        if _matches(key, pattern, is_special):
            yield task


def _matches(key: str, pattern: str, is_special: bool) -> bool:
    return fnmatchcase(key, pattern) if is_special else key == pattern
