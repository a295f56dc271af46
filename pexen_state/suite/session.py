"""One session of a run from its first task to its exit code, whoever asked for it: the command line, or a program.

What is shown meanwhile is the caller's business: it takes each result, and is told what became of it all.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pexen_state.report.display import Ended as TaskEnded
from pexen_state.suite.ending import ended_tasks, exit_code
from pexen_state.suite.errors import NothingToDo
from pexen_state.suite.exits import Exit
from pexen_state.suite.on_finish import Followed, OnFinish, follow

if TYPE_CHECKING:
    from pexen_state.journal.lock import RunLock
    from pexen_state.sched.common import Opened, TaskRes
    from pexen_state.sched.planner import Sched
    from pexen_state.sched.pool.base import Pool


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a session, and of the run as far as it has got."""

    run: int  #: its id in the journal
    code: Exit  #: what `pexen run` would exit with
    is_over: bool  #: False: the same call goes on with it
    was_resumed: bool
    seconds: float  #: of this session, without what followed it
    tasks: tuple[TaskEnded, ...]  #: all of the run, also those that ended in earlier sessions
    given_up: str | None = None  #: the sentence that says why, if it was
    followed: Followed | None = None  #: what became of the command that follows a run's end

    @property
    def counts(self) -> dict[str, int]:
        """How many tasks have each verdict, by its word; of those that have one."""
        return dict(Counter(task.verdict.word for task in self.tasks if task.is_final))

    @property
    def verdicts(self) -> dict[str, str]:
        """By key; of tasks that have one."""
        return {task.key: task.verdict.word for task in self.tasks if task.is_final}


def conduct(
    sched: Sched,
    pool: Pool,
    take: Callable[[TaskRes], None],
    *,
    is_strict: bool = False,
    at_end: Callable[[int], None] | None = None,
    after: OnFinish | None = None,
) -> Ended:
    """Run a journaled `sched`, and give each result to `take`.

    `at_end` is called with the run's id when the session ends in order, whether the run is over or not: what it writes
    is there when the command runs that is to come `after` the end of the run. Raises NothingToDo if there is no task,
    and what the scheduler raises.
    """
    began = time.monotonic()
    opened: list[Opened] = []
    done: list[Followed] = []
    over: list[float] = []  # when it was
    announce = sched.announce

    def announced(now: Opened) -> None:
        opened.append(now)
        if announce is not None:
            announce(now)

    def finish(lock: RunLock, run: int) -> None:
        over.append(time.monotonic())
        if at_end is not None:
            at_end(run)
        if after is not None and (followed := follow(after, lock, run)) is not None:
            done.append(followed)

    sched.announce = announced
    sched.finish = finish
    try:
        for result in sched.run(pool):
            take(result)
    finally:
        sched.announce, sched.finish = announce, None
    plan = sched.plan
    if plan is None or not opened:
        raise NothingToDo("there is no task to run.")
    if not plan.is_over and at_end is not None:
        at_end(opened[0].run_id)
    return Ended(
        opened[0].run_id,
        exit_code(plan, is_strict),
        plan.is_over,
        opened[0].resumed,
        (over[0] if over else time.monotonic()) - began,
        tuple(ended_tasks(plan)),
        plan.given_up,
        done[0] if done else None,
    )


def pool_of(kind: str, workers: int) -> Pool:
    """A pool of processes, or of threads."""
    if kind == "thread":
        from pexen_state.sched.pool.thread import ThreadWorkerPool

        return ThreadWorkerPool(workers=workers)
    from pexen_state.sched.pool.process import ProcessWorkerPool

    return ProcessWorkerPool(workers=workers)


def workers_of(jobs: int | str) -> int:
    """`auto` is the processors that may be used."""
    return len(os.sched_getaffinity(0)) if jobs == "auto" else int(jobs)
