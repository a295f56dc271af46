"""From a submission to the pool's job: the task's input, its limits, and where its files go."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pexen_state.core.commands import Submit
from pexen_state.core.plan import Plan
from pexen_state.journal.paths import JournalPaths, key_bytes
from pexen_state.sched.executable import Executable
from pexen_state.sched.pool.base import Body, Context, Job, Limits
from pexen_state.sched.shared import SharedStore


class JobMaker:
    """Of a run in memory: its tasks have no directories, and no name that anybody could look for."""

    def __init__(self, plan: Plan, bodies: Mapping[int, Body], shared: SharedStore) -> None:
        self._plan = plan
        self._bodies = bodies
        self._shared = shared

    def __call__(self, submit: Submit) -> Job:
        spec = self._plan.tasks[submit.task].spec
        limits = Limits(spec.timeout, spec.idle_timeout)
        shared = self._shared.input_of(submit.parents)
        return Job(submit.task, submit.attempt, self._bodies[submit.task], shared, limits)


class JournaledJobMaker:
    """Of a run that is journaled: its attempts know who they are, and their files lie beside the journal.

    `uuid` is the run's; `capture` gives python tasks an output file, too.
    """

    def __init__(
        self,
        plan: Plan,
        bodies: Mapping[int, Body],
        shared: SharedStore,
        *,
        paths: JournalPaths,
        run: int,
        uuid: str,
        capture: bool,
    ) -> None:
        self._plan = plan
        self._bodies = bodies
        self._shared = shared
        self._paths = paths
        self._run = run
        self._uuid = uuid
        self._capture = capture

    def __call__(self, submit: Submit) -> Job:
        number, attempt, nth = submit.task, submit.attempt, submit.nth
        spec = self._plan.tasks[number].spec
        body = self._bodies[number]
        shared = self._shared.input_of(submit.parents)
        limits = Limits(spec.timeout, spec.idle_timeout)
        cookie = f"{self._uuid}-{number}-{attempt}"
        run = str(self._run)
        key = os.fsdecode(key_bytes(spec.key)).replace("\0", "\\0")  # as an environment can hold it
        if not self._capture and not isinstance(body, Executable):
            # No directory for a task that writes nothing there: there may be a million of them.
            return Job(number, attempt, body, shared, limits, Context(run, key, cookie, nth, None, None))
        directory = self._paths.attempt_dir(self._run, spec.key, number, nth)
        data = os.path.join(self._paths.task_dir(self._run, spec.key, number), "data")
        context = Context(run, key, cookie, nth, directory, data)
        return Job(number, attempt, body, shared, limits, context, self._paths.output(self._run, spec.key, number, nth))
