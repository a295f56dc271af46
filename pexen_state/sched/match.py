"""The caller's tasks and the journal's: who is who when a run is resumed.

A task is known by its key. What the journal recorded about one that it knows holds for the whole run, even if
the caller says something else now: what was decided before rests on it. Only what a caller overrides by name is
taken from what its task says now, for the session alone.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from pexen_state.core.conditional import says_its_condition
from pexen_state.core.inputs import Input, TaskChanged, TaskGone, TasksAbsent, TasksAdded
from pexen_state.core.sending_back import may_be_sent_back
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import State
from pexen_state.journal.recorded import RecordedPage
from pexen_state.journal.records import NewTask, RecordedTask, SavedTask
from pexen_state.journal.resuming import NOBODY_LATE, Late
from pexen_state.journal.specs import spec_to_json
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.identity import Fingerprints
from pexen_state.sched.pool.base import Body
from pexen_state.sched.recorded import Record, RecordedCall
from pexen_state.sched.specs import Callables
from pexen_state.util import PexenWarning

_KEY = itemgetter(TaskSpec._fields.index("key"))  # a million times: faster than by the attribute


@dataclass
class Match:
    """The caller's tasks and the journal's, by the journal's numbers."""

    specs: list[TaskSpec] = field(default_factory=list)
    bodies: list[Body | None] = field(default_factory=lambda: [None])  #: None: it is no longer there
    is_resumed: bool = False
    is_as_recorded: bool = True  #: exactly the caller's tasks, and what they say now is what the run recorded
    finished: int = 0  #: how many had ended
    superseded: int | None = None  #: the unfinished run that this new one takes the place of
    under_way: list[SavedTask] = field(default_factory=list)  #: what has begun and not ended
    before: list[Input] = field(default_factory=list)  #: what the plan is told before the session begins
    added: list[NewTask] = field(default_factory=list)
    absent: list[RecordedTask] = field(default_factory=list)  #: the caller had added them while the run went on
    calls: Mapping[int, str] = field(default_factory=dict)  #: records of tasks that tasks added, by number
    skipped: set[int] = field(default_factory=set)  #: tasks that had ended without
    decides_again: bool = False  #: of tasks that have not begun, whether they apply here
    sent_back: set[int] = field(default_factory=set)  #: tasks that had ended, changed, and run again
    fingerprints: dict[int, bytes] = field(default_factory=dict)  #: of tasks that changed and are still to run

    @property
    def may_end_again(self) -> set[int]:
        """Tasks that have ended, and of which some are sent back: those that changed, and whoever did not run."""
        return self.skipped | self.sent_back if self.sent_back else set()


def check_keys(specs: Sequence[TaskSpec]) -> None:
    """Under a journal a task is known by its key alone. Raises SchedulerError if two tasks have the same."""
    if len(set(map(_KEY, specs))) == len(specs):
        return
    keys = Counter(spec.key for spec in specs)
    twice = next(key for key, count in keys.items() if count > 1)
    raise SchedulerError(
        f"two tasks have the key {twice!r}, so the journal could not tell them apart: "
        'give one of them another, func_meta(name="...")'
    )


def match_tasks(
    callables: Callables,
    recorded: Iterable[RecordedPage],
    overrides: Collection[str] = (),
    rerun_changed: bool = False,
    late: Late = NOBODY_LATE,
) -> Match:
    """Find each task of the journal (`recorded`: by number, in pages) among the caller's. What the journal recorded of
    a task holds, but for `overrides`: names of fields of which the caller's word of now holds. `rerun_changed`: tasks
    that have ended, and whose code is another now, are sent back. `late` are tasks that were added while the run went
    on.
    """
    matching = _Matching(callables, overrides, rerun_changed, late)
    for page in recorded:
        if not matching.take_page(page):
            for task in page:
                matching.take(task)
    return matching.end()


class _Matching:
    def __init__(self, callables: Callables, overrides: Collection[str], rerun_changed: bool, late: Late) -> None:
        self._match = Match(is_resumed=True, calls=late.calls)
        self._late = late
        self._callables = callables
        self._overrides = overrides
        self._rerun_changed = rerun_changed
        self._fingerprint = Fingerprints()
        self._in_order = 0  # so many of the caller's tasks are the first ones of the journal
        self._others: dict[str, int] | None = None  # key -> place of all others, once somebody has to search
        self._there = 0  # tasks of the journal that the caller has
        self._changed: list[str] = []
        self._gone: list[str] = []
        self._again: list[str] = []

    def take_page(self, page: RecordedPage) -> bool:
        """Take tasks that are, one by one, the caller's next ones, in code and in words; False: some are not."""
        if self._others is not None or self._overrides:
            return False
        match, first, last = self._match, self._in_order, self._in_order + len(page)
        bodies, specs = self._callables.bodies[first:last], self._callables.specs[first:last]
        if not page.is_of(specs, self._fingerprint.of_all(bodies)):
            return False
        match.specs += specs
        match.bodies += bodies
        match.finished += page.finished
        match.skipped |= page.skipped()
        self._in_order = last
        self._there += len(page)
        return True

    def take(self, task: RecordedTask) -> None:
        match, callables, overrides = self._match, self._callables, self._overrides
        state = task.state
        match.finished += state.is_final
        if state is State.SKIPPED:
            match.skipped.add(task.number)
        at = self._search().pop(task.key, None)
        if at is None:
            match.is_as_recorded = False
            match.specs.append(task.spec)
            if (record := self._late.calls.get(task.number)) is not None:
                match.bodies.append(RecordedCall(Record.from_json(record)))
                return
            match.bodies.append(None)
            if task.number in self._late.by_caller:
                match.absent.append(task)
            elif not state.is_final:
                self._gone.append(task.key)
                match.before.append(TaskGone(task.number))
            return
        self._there += 1
        body, spec = callables.bodies[at], callables.specs[at]
        match.bodies.append(body)
        same = spec_to_json(_as_recorded(spec, task, overrides) if overrides else spec) == task.spec_json
        now = self._fingerprint(body) if task.fingerprint is not None else None
        if same and now == task.fingerprint:
            match.specs.append(spec)
            return
        match.is_as_recorded = match.is_as_recorded and same
        match.specs.append(spec if same else _with(task.spec, spec, overrides))
        did_not_apply = says_its_condition(state, spec, task.reason)
        if (
            now != task.fingerprint
            and self._rerun_changed
            and may_be_sent_back(state, task.reason)
            and not did_not_apply
        ):
            match.sent_back.add(task.number)
            match.before.append(TaskChanged(task.number))
            self._again.append(task.key)
        else:
            self._changed.append(task.key)
        keeps_its_result = state.is_final and task.number not in match.sent_back and not did_not_apply
        if now is not None and now != task.fingerprint and not keeps_its_result:
            match.fingerprints[task.number] = now  # its result will be that of what it is now

    def _search(self) -> dict[str, int]:
        if self._others is None:
            specs = self._callables.specs
            self._others = {specs[at].key: at for at in range(self._in_order, len(specs))}
        return self._others

    def end(self) -> Match:
        match, callables = self._match, self._callables
        if match.specs and not self._there:
            raise SchedulerError(
                "none of the tasks is in the run that was to be resumed: begin another one with resume=False, "
                "or give the run of these tasks a name of its own"
            )
        added = list(self._search().values())
        if added:
            match.is_as_recorded = False
            match.before.append(TasksAdded(tuple([callables.specs[at] for at in added])))
            for at in added:
                body = callables.bodies[at]
                match.bodies.append(body)
                match.added.append(NewTask(callables.specs[at], self._fingerprint(body)))
        if awaited := [task.number for task in match.absent if not task.state.is_final]:
            match.before.append(TasksAbsent(tuple(awaited)))
        _tell(len(added), self._gone, self._changed, self._again)
        return match


def _as_recorded(spec: TaskSpec, task: RecordedTask, overrides: Collection[str]) -> TaskSpec:
    """The caller's spec as it would be without the overrides: to be compared with what was recorded."""
    return _with(spec, task.spec, overrides)


def _with(spec: TaskSpec, other: TaskSpec, names: Collection[str]) -> TaskSpec:
    """`spec` with these fields of the other one."""
    return spec._replace(**{name: getattr(other, name) for name in names}) if names else spec


def _tell(added: int, gone: Sequence[str], changed: Sequence[str], again: Sequence[str]) -> None:
    if gone:
        warnings.warn(
            f"{len(gone)} unfinished tasks are no longer there and will not run: {some(gone)}",
            PexenWarning,
            stacklevel=2,
        )
    if changed:
        warnings.warn(
            f"{len(changed)} tasks changed since the run began; results that are there are kept, and what the run "
            f"recorded about them holds: {some(changed)}",
            PexenWarning,
            stacklevel=2,
        )
    if again:
        warnings.warn(
            f"{len(again)} tasks changed since they ended, and run again: {some(again)}", PexenWarning, stacklevel=2
        )
    if added:
        warnings.warn(f"{added} tasks are new and join the run", PexenWarning, stacklevel=2)


def some(keys: Sequence[str]) -> str:
    """The first of them, and how many there are."""
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
