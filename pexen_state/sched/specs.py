"""From a task's metadata to its `TaskSpec`, the plain data that the core plans with.

The same metadata always gives the same spec: names come in one order, whatever the order in a set.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from pexen_state.core.spec import NOBODY, Declared, TaskSpec
from pexen_state.core.states import RETRIED, Cause
from pexen_state.sched.identity import is_silent, key_of, only_name_of, where_defined
from pexen_state.sched.meta import Task, declared_of, find_meta
from pexen_state.sched.taking import RETRYABLE


class Defaults(NamedTuple):
    """What holds for tasks that do not say it themselves. A task that says `timeout=None` has no limit."""

    timeout: float | None = None  #: seconds
    idle_timeout: float | None = None  #: seconds
    retries: int = 0
    max_crashes: int | None = 1


class Callables(NamedTuple):
    """All tasks that a caller has, and what they say now."""

    bodies: Sequence[Task]
    specs: Sequence[TaskSpec]
    all_would_run: bool  #: if nothing failed; False: or nobody has looked


_SAYS_NOTHING = NOBODY[1:]
_PLACES = {field: place for place, field in enumerate(TaskSpec._fields)}
_NAMES = frozenset({"requires", "requires_all", "provides", "uses", "claims", "recovers"})
_AS_THEY_ARE = frozenset(
    {
        "priority",
        "always",
        "retries",
        "max_crashes",
        "timeout",
        "idle_timeout",
        "total_timeout",
        "survives_reboot",
        "cleared_by_reboot",
        "kernel",
        "group",
        "weight",
        "when",
        "summary",
    }
)


def spec_of(task: Task, key: str, defaults: Defaults | None = None) -> TaskSpec:
    """The spec of a task that is known as `key`. What nobody said is left to `TaskSpec`: most say next to nothing."""
    told = [key, *_SAYS_NOTHING] if defaults is None else _told_by(key, defaults)
    meta = find_meta(task)
    if meta is not None:
        for field, value in vars(meta).items():
            if field in _NAMES:
                told[_PLACES[field]] = _in_order(value)
            elif field in _AS_THEY_ARE:
                told[_PLACES[field]] = value
            elif field in ("after", "tags"):
                told[_PLACES[field]] = tuple(sorted(value))
            elif field == "needs":
                told[_PLACES[field]] = tuple(sorted(value.items()))
            elif field == "retry_on":
                told[_PLACES[field]] = _retried(value)
            elif field == "on_fail":
                told[_PLACES["on_fail_locks"]] = value.get("locks")
                told[_PLACES["on_fail_deps"]] = value.get("deps")
    declared = declared_of(task)
    if declared is not Declared.CALLABLE:
        told[_PLACES["declared"]] = declared
    return TaskSpec._make(told)


def _told_by(key: str, defaults: Defaults) -> list[Any]:
    told = [key, *_SAYS_NOTHING]
    for field, value in zip(Defaults._fields, defaults, strict=True):
        told[_PLACES[field]] = value
    return told


def say_still(tasks: Iterable[Task], specs: Iterable[TaskSpec], defaults: Defaults | None = None) -> bool:
    """Whether the specs of tasks are what they were. One by one, and of a function that says no more than its name
    none is made to find out: a second list of specs would be the largest thing that a large run ever holds.
    """
    usual = TaskSpec("", *_SAYS_NOTHING) if defaults is None else TaskSpec._make(_told_by("", defaults))
    others = usual[1:]
    for task, spec in zip(tasks, specs, strict=True):
        if spec[1:] == others and only_name_of(task) == spec[0]:
            continue
        if is_silent(task):
            if spec[1:] != others or where_defined(task) != spec[0]:
                return False
        elif spec_of(task, key_of(task), defaults) != spec:
            return False
    return True


def _in_order(names: Collection[Hashable]) -> tuple[Hashable, ...]:
    # By repr, because names may be of types that do not compare; a set's own order changes from one process
    # to the next.
    return tuple(names) if len(names) < 2 else tuple(sorted(names, key=repr))


def _retried(words: Collection[str] | None) -> frozenset[Cause]:
    if words is None:
        return RETRIED
    return frozenset(RETRYABLE[word] for word in words)
