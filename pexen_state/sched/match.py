"""The caller's tasks and the journal's: who is who when a run is resumed.

A task is known by its key. What the journal recorded about one that it knows holds for the whole run, even if
the caller says something else now: what was decided before rests on it. Only what a caller overrides by name is
taken from what its task says now, for the session alone.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from pexen_state.core.inputs import Input, TaskChanged, TaskGone, TasksAdded
from pexen_state.core.sending_back import may_be_sent_back
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import State
from pexen_state.journal.records import NewTask, SavedTask
from pexen_state.journal.specs import spec_to_json
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.identity import Fingerprints
from pexen_state.sched.pool.base import Body
from pexen_state.sched.specs import Callables
from pexen_state.util import PexenWarning


@dataclass
class Match:
    """The caller's tasks and the journal's, by the journal's numbers."""

    specs: list[TaskSpec] = field(default_factory=list)
    bodies: dict[int, Body] = field(default_factory=dict)
    is_resumed: bool = False
    is_as_recorded: bool = True  #: exactly the caller's tasks, and what they say now is what the run recorded
    saved: Sequence[SavedTask] = ()
    superseded: int | None = None  #: the unfinished run that this new one takes the place of
    before: list[Input] = field(default_factory=list)  #: what the plan is told before the session begins
    added: list[NewTask] = field(default_factory=list)
    sent_back: set[int] = field(default_factory=set)  #: tasks that had ended, changed, and run again
    fingerprints: dict[int, bytes] = field(default_factory=dict)  #: of tasks that changed and are still to run

    @property
    def may_end_again(self) -> set[int]:
        """Tasks that have ended, and of which some are sent back: those that changed, and whoever did not run."""
        if not self.sent_back:
            return set()
        skipped = {task.number for task in self.saved if task.state is State.SKIPPED}
        return skipped | self.sent_back


def check_keys(specs: Sequence[TaskSpec]) -> None:
    """Under a journal a task is known by its key alone. Raises SchedulerError if two tasks have the same."""
    if len({spec.key for spec in specs}) == len(specs):
        return
    keys = Counter(spec.key for spec in specs)
    twice = next(key for key, count in keys.items() if count > 1)
    raise SchedulerError(
        f"two tasks have the key {twice!r}, so the journal could not tell them apart: "
        'give one of them another, func_meta(name="...")'
    )


def match_tasks(
    callables: Callables, saved: Sequence[SavedTask], overrides: Collection[str] = (), rerun_changed: bool = False
) -> Match:
    """Find each task of the journal among the caller's. What the journal recorded of a task holds, but for `overrides`:
    names of fields of which the caller's word of now holds. `rerun_changed`: tasks that have ended, and whose code is
    another now, are sent back.
    """
    match = Match(is_resumed=True, saved=saved)
    fingerprint = Fingerprints()
    ours = {spec.key: at for at, spec in enumerate(callables.specs)}
    changed: list[str] = []
    gone: list[str] = []
    again: list[str] = []
    for task in sorted(saved, key=attrgetter("number")):
        at = ours.pop(task.key, None)
        if at is None:
            match.is_as_recorded = False
            match.specs.append(task.spec)
            if not task.state.is_final:
                gone.append(task.key)
                match.before.append(TaskGone(task.number))
            continue
        body, spec = callables.bodies[at], callables.specs[at]
        match.bodies[task.number] = body
        same = spec_to_json(_as_recorded(spec, task, overrides) if overrides else spec) == task.spec_json
        now = fingerprint(body) if task.fingerprint is not None else None
        if same and now == task.fingerprint:
            match.specs.append(spec)
            continue
        match.is_as_recorded = match.is_as_recorded and same
        match.specs.append(spec if same else _with(task.spec, spec, overrides))
        if now != task.fingerprint and rerun_changed and _may_run_again(task):
            match.sent_back.add(task.number)
            match.before.append(TaskChanged(task.number))
            again.append(task.key)
        else:
            changed.append(task.key)
        if now is not None and now != task.fingerprint and not _keeps_its_result(task, match):
            match.fingerprints[task.number] = now  # its result will be that of what it is now
    if saved and not match.bodies:
        raise SchedulerError(
            "none of the tasks is in the run that was to be resumed: begin another one with resume=False, "
            "or give the run of these tasks a name of its own"
        )
    if ours:
        match.is_as_recorded = False
        match.before.append(TasksAdded(tuple(callables.specs[at] for at in ours.values())))
        for number, at in enumerate(ours.values(), len(match.specs) + 1):
            body = match.bodies[number] = callables.bodies[at]
            match.added.append(NewTask(callables.specs[at], fingerprint(body)))
    _tell(len(ours), gone, changed, again)
    return match


def _as_recorded(spec: TaskSpec, task: SavedTask, overrides: Collection[str]) -> TaskSpec:
    """The caller's spec as it would be without the overrides: to be compared with what was recorded."""
    return _with(spec, task.spec, overrides)


def _with(spec: TaskSpec, other: TaskSpec, names: Collection[str]) -> TaskSpec:
    """`spec` with these fields of the other one."""
    return spec._replace(**{name: getattr(other, name) for name in names}) if names else spec


def _may_run_again(task: SavedTask) -> bool:
    return may_be_sent_back(task.state, task.reason)


def _keeps_its_result(task: SavedTask, match: Match) -> bool:
    return task.state.is_final and task.number not in match.sent_back


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
