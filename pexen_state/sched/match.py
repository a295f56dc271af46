"""The caller's tasks and the journal's: who is who when a run is resumed.

A task is known by its key. What the journal recorded about one that it knows holds for the whole run, even if
the caller says something else now: what was decided before rests on it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pexen_state.core.inputs import Input, TaskGone, TasksAdded
from pexen_state.core.spec import TaskSpec
from pexen_state.journal.records import NewTask, SavedTask
from pexen_state.journal.specs import spec_to_json
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.identity import fingerprint
from pexen_state.sched.pool.base import Body
from pexen_state.util import PexenWarning


class Callables(NamedTuple):
    """The tasks that the caller has now."""

    bodies: Sequence[Body]
    specs: Sequence[TaskSpec]


@dataclass
class Match:
    """The caller's tasks and the journal's, by the journal's numbers."""

    specs: list[TaskSpec] = field(default_factory=list)
    bodies: dict[int, Body] = field(default_factory=dict)
    is_resumed: bool = False
    saved: Sequence[SavedTask] = ()
    superseded: int | None = None  #: the unfinished run that this new one takes the place of
    before: list[Input] = field(default_factory=list)  #: what the plan is told before the session begins
    added: list[NewTask] = field(default_factory=list)


def check_keys(specs: Sequence[TaskSpec]) -> None:
    """Under a journal a task is known by its key alone. Raises SchedulerError if two tasks have the same."""
    seen: set[str] = set()
    for spec in specs:
        if spec.key in seen:
            raise SchedulerError(
                f"two tasks have the key {spec.key!r}, so the journal could not tell them apart: "
                'give one of them another, func_meta(name="...")'
            )
        seen.add(spec.key)


def match_tasks(callables: Callables, saved: Sequence[SavedTask]) -> Match:
    """Find each task of the journal among the caller's. What the journal recorded of a task holds."""
    match = Match(is_resumed=True, saved=saved)
    ours = {spec.key: (body, spec) for body, spec in zip(callables.bodies, callables.specs, strict=True)}
    changed: list[str] = []
    gone: list[str] = []
    for task in sorted(saved, key=lambda task: task.number):
        found = ours.pop(task.key, None)
        if found is None:
            match.specs.append(task.spec)
            if not task.restored.state.is_final:
                gone.append(task.key)
                match.before.append(TaskGone(task.number))
            continue
        body, spec = found
        match.bodies[task.number] = body
        same = spec_to_json(spec) == task.spec_json
        match.specs.append(spec if same else task.spec)
        if not same or (task.fingerprint is not None and fingerprint(body) != task.fingerprint):
            changed.append(task.key)
    if saved and not match.bodies:
        raise SchedulerError(
            "none of the tasks is in the run that was to be resumed: begin another one with resume=False, "
            "or give the run of these tasks a name of its own"
        )
    if ours:
        match.before.append(TasksAdded(tuple(spec for _, spec in ours.values())))
        for number, (body, spec) in enumerate(ours.values(), len(match.specs) + 1):
            match.bodies[number] = body
            match.added.append(NewTask(spec, fingerprint(body)))
    _tell(len(ours), gone, changed)
    return match


def _tell(added: int, gone: Sequence[str], changed: Sequence[str]) -> None:
    if gone:
        warnings.warn(
            f"{len(gone)} unfinished tasks are no longer there and will not run: {some(gone)}",
            PexenWarning,
            stacklevel=2,
        )
    if changed:
        warnings.warn(
            f"{len(changed)} tasks changed since the run began; their results are kept, and what the run "
            f"recorded about them holds: {some(changed)}",
            PexenWarning,
            stacklevel=2,
        )
    if added:
        warnings.warn(f"{added} tasks are new and join the run", PexenWarning, stacklevel=2)


def some(keys: Sequence[str]) -> str:
    """The first of them, and how many there are."""
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
