"""Which tasks of a suite a run has: those that an expression means, or that an earlier run left failed or undone.

Whatever is chosen, what it requires comes along: every provider of a required name, and what these require.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from pexen_state.cli.errors import NothingToDo
from pexen_state.cli.suite.keyword import compile_keyword
from pexen_state.core.states import Verdict
from pexen_state.report.style import count
from pexen_state.report.text import safe
from pexen_state.sched.identity import key_of
from pexen_state.sched.meta import Task, read_meta
from pexen_state.util import PexenWarning

#: Verdicts of tasks that ended badly.
BAD = frozenset(verdict for verdict in Verdict if verdict.is_bad)

#: Of tasks that never ran, or were never done with.
UNDONE = frozenset({Verdict.NONE, Verdict.NOT_RUN})


class Selection(NamedTuple):
    """Some tasks of a suite. `tasks` are in the suite's order; `required` are keys of those that were not chosen."""

    tasks: tuple[Task, ...]
    total: int
    how: str = ""  #: in words: what chose them; empty if nothing did now
    required: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        return len(self.tasks) == self.total

    def in_words(self) -> str | None:
        """`12 of 214 tasks: -k net, and 3 more that they require`; None if all of them were meant."""
        if not self.how:
            return None
        chosen = len(self.tasks) - len(self.required)
        more = f", and {len(self.required)} more that they require" if self.required else ""
        return f"{chosen} of {count(self.total, 'task')}: {self.how}{more}"


class Left(NamedTuple):
    """What an earlier run left: its verdicts by key."""

    run: int
    verdicts: Mapping[str, Verdict]

    def wanted(self, failed: bool, not_run: bool) -> frozenset[str]:
        """Keys of the tasks that ended badly, of those that were not done, or of both; of all if neither is meant.

        Raises NothingToDo if there is none.
        """
        if not failed and not not_run:
            return frozenset(self.verdicts)
        verdicts = (BAD if failed else frozenset()) | (UNDONE if not_run else frozenset())
        keys = frozenset(key for key, verdict in self.verdicts.items() if verdict in verdicts)
        if not keys:
            nothing = [words for is_meant, words in ((failed, "failed"), (not_run, "was left undone")) if is_meant]
            raise NothingToDo(f"nothing {' or '.join(nothing)} in run {self.run}.")
        return keys

    def undone(self) -> frozenset[str]:
        """Keys of the tasks that were not done."""
        return frozenset(key for key, verdict in self.verdicts.items() if verdict in UNDONE)

    def how(self, failed: bool, not_run: bool) -> str:
        """The same in words, for a header."""
        meant = [words for is_meant, words in ((failed, "failed"), (not_run, "not run")) if is_meant]
        return f"{' or '.join(meant)} in run {self.run}" if meant else f"those of run {self.run}"


class Failing(NamedTuple):
    """Tasks that failed when they last ran."""

    keys: frozenset[str]
    failed_in: tuple[int, ...]  #: the runs in which they did, the oldest first
    looked_at: tuple[int, ...]


def picked(failing: Failing | None, left: Left | None) -> tuple[frozenset[str], str]:
    """Keys of what failed last, of what the newest run left undone, or of both; and that in words.

    Raises NothingToDo if there is none.
    """
    if failing is None:
        assert left is not None
        return left.wanted(failed=False, not_run=True), left.how(failed=False, not_run=True)
    undone = left.undone() if left is not None else frozenset()
    if not failing.keys and not undone:
        looked = _in_runs(failing.looked_at)
        nothing = "nothing failed" if len(failing.looked_at) == 1 else "no task failed when it last ran,"
        more = f", and nothing was left undone in run {left.run}" if left is not None else ""
        raise NothingToDo(f"{nothing} {looked}{more}.")
    if left is None:
        return failing.keys, f"failed {_in_runs(failing.failed_in)}"
    if failing.failed_in in ((), (left.run,)):
        return failing.keys | undone, left.how(failed=True, not_run=True)
    return failing.keys | undone, f"failed {_in_runs(failing.failed_in)}, or not run in run {left.run}"


def _in_runs(runs: Sequence[int]) -> str:
    """`in run 7`, `in runs 3 and 7`, `in 12 runs from 3 to 17`."""
    if len(runs) > 2:
        return f"in {len(runs)} runs from {runs[0]} to {runs[-1]}"
    return f"in run{'s' if len(runs) > 1 else ''} {' and '.join(map(str, runs))}"


def select(
    tasks: Sequence[Task], keyword: str | None = None, keys: Collection[str] | None = None, how: Iterable[str] = ()
) -> Selection:
    """The tasks that the expression means and whose keys are among `keys`, with what they require.

    `how` says in words where `keys` come from. Raises NothingToDo if there is none, and UsageError.
    """
    words = list(how)
    if keyword is None and keys is None:
        return Selection(tuple(tasks), len(tasks))
    chosen = [(key_of(task), task) for task in tasks]
    if keys is not None:
        chosen = [(key, task) for key, task in chosen if key in keys]
        if not chosen:
            raise NothingToDo(f"{', '.join(words)}: none of these tasks is in the suite any more.")
        _warn_of_gone(sorted(set(keys) - {key for key, _ in chosen}))
    if keyword is not None:
        matches = compile_keyword(keyword)
        words.append(f"-k {safe(keyword)}")
        among = len(chosen)
        chosen = [(key, task) for key, task in chosen if matches(key)]
        if not chosen:
            raise NothingToDo(f"nothing is selected: -k {safe(keyword)} matches none of {count(among, 'task')}.")
    numbers = _closed(tasks, {id(task) for _, task in chosen})
    meant = {key for key, _ in chosen}
    selected = tuple(task for number, task in enumerate(tasks) if number in numbers)
    required = frozenset(key_of(task) for task in selected) - meant
    return Selection(selected, len(tasks), ", ".join(words), required)


def _warn_of_gone(gone: Sequence[str]) -> None:
    if gone:
        some = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        warnings.warn(
            f"{count(len(gone), 'task')} of that run {'is' if len(gone) == 1 else 'are'} no longer in the suite, and "
            f"will not run: {some}",
            PexenWarning,
            stacklevel=3,
        )


def joining(tasks: Sequence[Task], known: Collection[str], keyword: str | None) -> list[Task]:
    """Tasks that a run does not know and that join it when it goes on, in the suite's order."""
    matches = compile_keyword(keyword) if keyword is not None else None
    fresh = {id(task) for task in tasks if (key := key_of(task)) not in known and (matches is None or matches(key))}
    numbers = _closed(tasks, fresh)
    return [task for number, task in enumerate(tasks) if number in numbers and key_of(task) not in known]


def _closed(tasks: Sequence[Task], chosen: set[int]) -> set[int]:
    """Numbers of the chosen tasks (by id()), and of all that provide what these, or those, require."""
    providers: dict[Hashable, list[int]] = {}
    for number, task in enumerate(tasks):
        for name in read_meta(task).provides:
            providers.setdefault(name, []).append(number)
    numbers = {number for number, task in enumerate(tasks) if id(task) in chosen}
    pending = list(numbers)
    while pending:
        meta = read_meta(tasks[pending.pop()])
        for name in (*meta.requires, *meta.requires_all):
            for number in providers.get(name, ()):
                if number not in numbers:
                    numbers.add(number)
                    pending.append(number)
    return numbers
