"""From a task's metadata to its `TaskSpec`, the plain data that the core plans with.

The same metadata always gives the same spec: names come in one order, whatever the order in a set.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any, NamedTuple

from pexen_state.core.spec import NOBODY, Declared, TaskSpec
from pexen_state.core.states import RETRIED, Cause
from pexen_state.sched.fields import RETRYABLE
from pexen_state.sched.identity import is_silent, key_of, where_defined
from pexen_state.sched.meta import Task, declared_of, find_meta


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


_NO_DEFAULTS = Defaults()
_SAYS_NOTHING = NOBODY[1:]
_NOT_PLANNED_WITH = frozenset({"name", "kwargs", "tags", "summary"})
_NAMES = frozenset({"requires", "requires_all", "provides", "uses", "claims"})
_AS_THEY_ARE = frozenset({"priority", "always", "retries", "max_crashes", "timeout", "idle_timeout"})


def spec_of(task: Task, key: str, defaults: Defaults | None = None) -> TaskSpec:
    """The spec of a task that is known as `key`. What nobody said is left to `TaskSpec`: most say next to nothing."""
    meta = find_meta(task)
    told: dict[str, Any] = {} if defaults is None or defaults == _NO_DEFAULTS else defaults._asdict()
    if meta is not None:
        for field, value in vars(meta).items():
            if field in _NOT_PLANNED_WITH:
                continue
            if field in _NAMES:
                told[field] = _in_order(value)
            elif field in _AS_THEY_ARE:
                told[field] = value
            elif field == "after":
                told[field] = tuple(sorted(value))
            elif field == "retry_on":
                told[field] = _retried(value)
            elif field == "on_fail":
                told["on_fail_locks"], told["on_fail_deps"] = value.get("locks"), value.get("deps")
    declared = declared_of(task)
    if declared is not Declared.CALLABLE:
        told["declared"] = declared
    return TaskSpec(key, **told) if told else TaskSpec(key)


def says_still(task: Task, spec: TaskSpec, defaults: Defaults | None = None) -> bool:
    """Whether the spec of a task is what it was. Of one that says nothing of itself, none is made to find out."""
    if defaults is None and is_silent(task):
        return spec[1:] == _SAYS_NOTHING and where_defined(task) == spec[0]
    return spec_of(task, key_of(task), defaults) == spec


def _in_order(names: Collection[Hashable]) -> tuple[Hashable, ...]:
    # By repr, because names may be of types that do not compare; a set's own order changes from one process
    # to the next.
    return tuple(names) if len(names) < 2 else tuple(sorted(names, key=repr))


def _retried(words: Collection[str] | None) -> frozenset[Cause]:
    if words is None:
        return RETRIED
    return frozenset(RETRYABLE[word] for word in words)
