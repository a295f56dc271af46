"""From a submission to the pool's job: the task's input, its limits, and where its files go."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from pexen_state.core.commands import Submit
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.journal.paths import JournalPaths, attempt_dir_in, component, data_dir_in, key_bytes, output_in
from pexen_state.sched.executable import Executable
from pexen_state.sched.pool.base import Body, Context, Job
from pexen_state.sched.shared import SharedStore
from pexen_state.sched.time_limits import TimeSpent

ContextOf = Callable[[Job], Context]

# Made for every task: without the python function that a NamedTuple has for a constructor.
_new = tuple.__new__
_CONTEXT = Job._fields.index("context")


class LazyJob(Job):
    """Has in the place of its context who makes it when somebody asks: most tasks in threads never do."""

    __slots__ = ()

    @property
    def context(self) -> Context:
        return cast(ContextOf, self[_CONTEXT])(self)


class JobMaker:
    """Of a run in memory: its tasks have no directories."""

    def __init__(
        self,
        plan: Plan,
        bodies: Sequence[Body | None],
        shared: SharedStore,
        spent: TimeSpent,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self._spent = spent
        self._specs = plan.tasks.specs  # grows with the plan
        self._withdrawn = plan.tasks.withdrawn
        self._bodies = bodies
        self._shared = shared
        self._params = params or None
        self._uuid = uuid.uuid4().hex
        self._says_who = self._context_of  # one for all jobs

    def __call__(self, submit: Submit) -> Job:
        number, attempt, _, parents, _ = submit
        limits = self._spent.limits_of(number, self._specs[number])
        body = self._bodies[number]
        assert body is not None, "what is gone never runs"
        return _new(LazyJob, (number, attempt, body, self._shared.input_of(parents), limits, self._says_who, None))

    def _context_of(self, job: Job) -> Context:
        number, attempt = job.task, job.attempt
        nth = attempt - self._withdrawn.get(number, 0)
        key = _as_environment_holds(self._specs[number].key)
        return Context("", key, f"{self._uuid}-{number}-{attempt}", nth, None, None, params=self._params)


class JournaledJobMaker:
    """Of a run that is journaled: its attempts know who they are, and their files lie beside the journal.

    `uuid` is the run's; `capture` gives python tasks an output file, too. `marks` are what tasks that asked for a
    reboot want to be told after it. `is_marked` says whether an attempt's beginning and end go to the kernel's log.
    """

    def __init__(
        self,
        plan: Plan,
        bodies: Sequence[Body | None],
        shared: SharedStore,
        spent: TimeSpent,
        *,
        paths: JournalPaths,
        run: int,
        uuid: str,
        capture: bool,
        marks: Mapping[int, str],
        params: Mapping[str, Any] | None = None,
        is_marked: Callable[[TaskSpec], bool] = lambda _: False,
    ) -> None:
        self._specs = plan.tasks.specs  # grows with the plan
        self._is_marked = is_marked
        self._spent = spent
        self._withdrawn = plan.tasks.withdrawn
        self._reboots = plan.tasks.reboots
        self._bodies = bodies
        self._input_of = shared.input_of
        self._run = str(run)
        self._run_dir = paths.run_dir(run)
        self._uuid = uuid
        self._capture = capture
        self._marks = marks
        self._params = params or None
        self._says_who = self._context_of  # one for all jobs

    def __call__(self, submit: Submit) -> Job:
        number, attempt, nth, parents, _ = submit
        body = self._bodies[number]
        assert body is not None, "what is gone never runs"
        output = None
        # No directory for a task that writes nothing there: there may be a million of them.
        if self._capture or isinstance(body, Executable):
            output = output_in(attempt_dir_in(self._task_dir(number), nth))
        limits = self._spent.limits_of(number, self._specs[number])
        return _new(LazyJob, (number, attempt, body, self._input_of(parents), limits, self._says_who, output))

    def _task_dir(self, number: int) -> str:
        return os.path.join(self._run_dir, component(self._specs[number].key, number))

    def _context_of(self, job: Job) -> Context:
        number, attempt = job.task, job.attempt
        nth = attempt - self._withdrawn.get(number, 0)  # as it was decided: only what is not in flight is withdrawn
        task = self._task_dir(number)
        directory, data = attempt_dir_in(task, nth), data_dir_in(task)
        spec = self._specs[number]
        key = _as_environment_holds(spec.key)
        attempt_id = f"{self._uuid}-{number}-{attempt}"
        reboots = self._reboots.get(number, 0)
        mark = self._marks.get(number, "") if reboots else ""
        return Context(
            self._run, key, attempt_id, nth, directory, data, reboots, mark, self._params, self._is_marked(spec)
        )


def _as_environment_holds(key: str) -> str:
    """The key as PEXEN_TASK says it."""
    if key.isascii() and "\0" not in key:
        return key
    return os.fsdecode(key_bytes(key)).replace("\0", "\\0")
