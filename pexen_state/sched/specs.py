"""From a task's metadata to its `TaskSpec`, the plain data that the core plans with.

The same metadata always gives the same spec: names come in one order, whatever the order in a set.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import NamedTuple

from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import RETRIED, Cause
from pexen_state.sched.fields import RETRYABLE, SchedMeta
from pexen_state.sched.meta import Task, declared_of, read_meta


class Defaults(NamedTuple):
    """What holds for tasks that do not say it themselves. A task that says `timeout=None` has no limit."""

    timeout: float | None = None  #: seconds
    idle_timeout: float | None = None  #: seconds
    retries: int = 0
    max_crashes: int | None = 1


def spec_of(task: Task, key: str, defaults: Defaults | None = None) -> TaskSpec:
    """The spec of a task that is known as `key`."""
    meta = read_meta(task)
    unsaid = defaults or Defaults()
    return TaskSpec(
        key=key,
        requires=_in_order(meta.value("requires")),
        requires_all=_in_order(meta.value("requires_all")),
        provides=_in_order(meta.value("provides")),
        after=tuple(sorted(meta.value("after"))),
        uses=_in_order(meta.value("uses")),
        claims=_in_order(meta.value("claims")),
        priority=meta.priority,
        always=meta.always,
        retries=meta.retries if meta.says("retries") else unsaid.retries,
        retry_on=_retried(meta),
        max_crashes=meta.max_crashes if meta.says("max_crashes") else unsaid.max_crashes,
        timeout=meta.timeout if meta.says("timeout") else unsaid.timeout,
        idle_timeout=meta.idle_timeout if meta.says("idle_timeout") else unsaid.idle_timeout,
        declared=declared_of(task),
        on_fail_locks=meta.value("on_fail").get("locks"),
        on_fail_deps=meta.value("on_fail").get("deps"),
    )


def _in_order(names: Collection[Hashable]) -> tuple[Hashable, ...]:
    # By repr, because names may be of types that do not compare; a set's own order changes from one process
    # to the next.
    return tuple(sorted(names, key=repr)) if len(names) > 1 else tuple(names)


def _retried(meta: SchedMeta) -> frozenset[Cause]:
    if meta.retry_on is None:
        return RETRIED
    return frozenset(RETRYABLE[word] for word in meta.retry_on)
