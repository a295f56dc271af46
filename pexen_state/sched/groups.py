"""Groups of exclusivity, as somebody declares them: on which workers the tasks of each run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pexen_state.core.spec import TaskSpec
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.pool.base import Pool
from pexen_state.words import did_you_mean

KINDS = ("process", "thread")


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks with `group=name` run with none of another group, on so many workers of that kind.

    What is not said is as in the pool of the run. Raises SchedulerError for what makes no sense.
    """

    name: str
    pool: Literal["process", "thread"] | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str) or not name:
            raise SchedulerError(f"the name of a group is a string, not {name!r}")
        if self.pool is not None and self.pool not in KINDS:
            hint = did_you_mean(str(self.pool), KINDS)
            raise SchedulerError(
                f"the pool of the group {self.name!r} is 'process' or 'thread', not {self.pool!r}.{hint}"
            )
        if self.workers is not None and (type(self.workers) is not int or self.workers < 1):
            raise SchedulerError(f"the group {self.name!r} needs at least one worker, not {self.workers!r}")


def by_name(groups: Iterable[Group]) -> dict[str, Group]:
    """Raises SchedulerError."""
    found: dict[str, Group] = {}
    for group in groups:
        if not isinstance(group, Group):
            raise SchedulerError(f"groups are said as [Group('vm', workers=5)], not {group!r}")
        if group.name in found:
            raise SchedulerError(f"two groups are called {group.name!r}")
        found[group.name] = group
    return found


def check_groups(specs: Iterable[TaskSpec], groups: Mapping[str, object]) -> None:
    """Where groups are declared, those of tasks are among them. Raises SchedulerError."""
    if not groups:
        return
    for spec in specs:
        if spec.group is not None and spec.group not in groups:
            known = ", ".join(map(repr, groups))
            raise SchedulerError(
                f"{spec.key} is of the group {spec.group!r}, and the groups are {known}."
                f"{did_you_mean(spec.group, groups)} Declare it beside them, if it is another one."
            )


def pool_with(groups: Mapping[str, Group], usual: Pool) -> Pool:
    """The pool of a run, with those of its groups."""
    own = {group.name: group for group in groups.values() if group.pool is not None or group.workers is not None}
    if not own:
        return usual
    # Most runs have no groups.
    from pexen_state.sched.pool.grouped import GroupedPool
    from pexen_state.sched.pool.process import ProcessWorkerPool
    from pexen_state.sched.pool.thread import ThreadWorkerPool

    as_usual = "thread" if isinstance(usual, ThreadWorkerPool) else "process"

    def own_pool(group: Group) -> Pool:
        workers = group.workers or usual.workers
        return ThreadWorkerPool(workers) if (group.pool or as_usual) == "thread" else ProcessWorkerPool(workers)

    return GroupedPool(usual, {name: own_pool(group) for name, group in own.items()})
