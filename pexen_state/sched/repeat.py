"""Rounds of a suite: each task that is repeated is there several times, as `key@1`, `key@2`, ...

What repeated tasks say of each other holds within a round: `login@2` requires what `setup@2` provides, and comes after
its `after` of round 2. Tasks that are not repeated are there for all rounds. The same task never runs twice at a time:
`key@2` comes after `key@1`, however that ends.
"""

from __future__ import annotations

import copy
import functools
import glob
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pexen_state.core.alternatives import SEPARATOR, parts_of
from pexen_state.core.check import required_names
from pexen_state.sched.executable import Executable
from pexen_state.sched.fields import Name, SchedMeta
from pexen_state.sched.identity import key_of
from pexen_state.sched.meta import Task, assign_meta, read_meta
from pexen_state.sched.specs import spec_of


def repeated(tasks: Sequence[Task], rounds: int, which: Collection[str]) -> list[Task]:
    """The tasks, those of these keys so many times: the first round in the order of the tasks, then the others."""
    again = [task for task in tasks if key_of(task) in which]
    steady = [task for task in tasks if key_of(task) not in which]
    if not again:
        return list(tasks)
    names = _Names(again, steady, rounds)
    first = [names.in_round(task, 1) if key_of(task) in which else names.for_all_rounds(task) for task in tasks]
    return [*first, *(names.in_round(task, number) for number in range(2, rounds + 1) for task in again)]


def key_in(key: str, number: int) -> str:
    return f"{key}@{number}"


def without_round(key: str) -> str:
    """`net/login` of `net/login@2`; a key that has no number at its end as it is."""
    name, at, number = key.rpartition("@")
    return name if at and name and number.isascii() and number.isdecimal() else key


class _Names:
    def __init__(self, again: Iterable[Task], steady: Sequence[Task], rounds: int) -> None:
        again = list(again)
        self._rounds = rounds
        self._keys = [key_of(task) for task in again]
        self._of_rounds = {name for task in again for name in read_meta(task).value("provides")}
        self._steady_keys = [key_of(task) for task in steady]
        # What a task for all rounds requires, any round may provide.
        self._of_all = set(required_names([spec_of(task, "") for task in steady])) & self._of_rounds

    def in_round(self, task: Task, number: int) -> Task:
        key, meta = key_of(task), read_meta(task)
        provides = meta.value("provides")
        after = {key_in(pattern, number) for pattern in meta.value("after")}
        after |= {
            glob.escape(steady)
            for steady in self._steady_keys
            if any(fnmatchcase(steady, pattern) for pattern in meta.value("after"))
        }
        if number > 1:
            after.add(glob.escape(key_in(key, number - 1)))
        return _copy(
            task,
            meta,
            name=key_in(key, number),
            requires=self._within(meta.value("requires"), number),
            requires_all=self._within(meta.value("requires_all"), number),
            provides={self._name(name, number) for name in provides} | (provides & self._of_all),
            after=after,
        )

    def for_all_rounds(self, task: Task) -> Task:
        """As it is, unless it has to do with tasks that are repeated."""
        meta = read_meta(task)
        shared = meta.value("provides") & self._of_rounds
        patterns = {one for one in meta.value("after") if any(fnmatchcase(key, one) for key in self._keys)}
        if not shared and not patterns:
            return task
        more = {self._name(name, number) for name in shared for number in range(1, self._rounds + 1)}
        return _copy(
            task,
            meta,
            name=key_of(task),
            provides=(meta.value("provides") - shared) | (shared & self._of_all) | more,
            after=meta.value("after") | {f"{pattern}@*" for pattern in patterns},
        )

    def _within(self, names: Collection[Name], number: int) -> set[Name]:
        found: set[Name] = set()
        for name in names:
            parts = parts_of(name)
            if len(parts) > 1:
                found.add(SEPARATOR.join([str(self._name(part, number)) for part in parts]))
            else:
                found.add(self._name(name, number))
        return found

    def _name(self, name: Name, number: int) -> Name:
        if name not in self._of_rounds:
            return name
        return key_in(name, number) if isinstance(name, str) else (name, number)


def _copy(task: Task, meta: SchedMeta, **fields: Any) -> Task:
    other = copy.copy(task) if isinstance(task, Executable) else functools.partial(task)
    own = meta.copy()
    own.update({field: value for field, value in fields.items() if value or meta.says(field)})
    assign_meta(other, own)
    return other
