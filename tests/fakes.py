"""A pool that runs nothing and a clock that stands still: tests say what happens, and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.pool.base import Began, Body, Dropped, Ended, Job, Outcome, Report

PASSED = Ending(Cause.RETURNED, Verdict.PASS)


class ManualClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakePool:
    """Takes jobs and reports what the test tells it to.

    `script` is called whenever the loop waits; it looks at `jobs` and calls `end`, `begin`, `drop`.
    """

    def __init__(self, workers: int = 1, spare: int | None = 1) -> None:
        self.workers = workers
        self.spare = spare
        self.window = workers + 1
        self.is_careful = False
        self.jobs: dict[tuple[int, int], Job] = {}
        self.story: list[str] = []
        self.watched: set[int] = set()
        self.reports: deque[Report] = deque()
        self.script = self.end_oldest
        self.clock = ManualClock()

    # -- what the loop uses ------------------------------------------------------------------------------

    keeper_pid = None

    @property
    def limit(self) -> int:
        return self.window if self.spare is None else self.workers + self.spare

    @property
    def room(self) -> int:
        return self.limit - len(self.jobs)

    @property
    def owes_reports(self) -> bool:
        return bool(self.jobs or self.reports)

    def register(self, tasks: Iterable[Body]) -> None:
        pass

    def open(
        self,
        journaled: bool,
        slots: str | None = None,
        keep_fds: Sequence[int] = (),
        on_keeper: Callable[[int], None] | None = None,
    ) -> None:
        pass

    def enter(self, group: str | None) -> None:
        if group is not None:
            self.story.append(f"enter {group}")

    def slots_moved(self, path: str) -> None:
        pass

    def admit(self, tasks: Iterable[Body]) -> None:
        pass

    def answer(self, client: int, body: dict[str, object]) -> None:
        self.story.append(f"answer {client}: {body}")

    def hand_over(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.jobs[job.task, job.attempt] = job
            self.story.append(f"hand over {job.task}")

    def wait(self, until: float | None = None, enough: int = 1) -> list[Report]:
        while self._has_ends_alone() and len(self.reports) < enough:
            before = len(self.reports)
            self.script()
            if len(self.reports) == before:
                break
        assert self.reports or until is not None, f"the loop would wait for ever: {self.story}"
        if self._has_ends_alone() and len(self.reports) < enough and until is not None:
            self.clock.now = max(self.clock.now, until)
        reports = list(self.reports)
        self.reports.clear()
        return reports

    def _has_ends_alone(self) -> bool:
        return all(type(report) is Ended for report in self.reports)

    def kill(self, task: int, attempt: int, cause: Cause, grace: float) -> None:
        self.story.append(f"kill {task}")
        if (task, attempt) in self.jobs:
            self.drop(task, cause)

    def withdraw(self) -> None:
        self.story.append("withdraw")

    def watch(self, fd: int) -> None:
        self.watched.add(fd)

    def unwatch(self, fd: int) -> None:
        self.watched.discard(fd)

    def close(self, grace: float) -> None:
        self.story.append("close")

    # -- what the test uses ------------------------------------------------------------------------------

    def end_oldest(self) -> None:
        if self.jobs:
            self.end(next(iter(self.jobs))[0])

    def end_all(self) -> None:
        for task, _ in list(self.jobs):
            self.end(task)

    def end(self, task: int, ending: Ending = PASSED, **left: object) -> None:
        job = self._take(task)
        outcome = Outcome(worker=0, pid=1, began_us=0, seconds=0.001, shared=dict(job.shared))
        for name, value in left.items():
            setattr(outcome, name, value)
        self.reports.append(Ended(job.task, job.attempt, ending, outcome))

    def begin(self, task: int) -> None:
        job = next(job for job in self.jobs.values() if job.task == task)
        self.reports.append(Began(job.task, job.attempt, worker=0, pid=1, at_us=0))

    def drop(self, task: int, cause: Cause, reason: str | None = None) -> None:
        job = self._take(task)
        self.reports.append(Dropped(job.task, job.attempt, cause, True, reason))

    def _take(self, task: int) -> Job:
        (key,) = (key for key in self.jobs if key[0] == task)
        return self.jobs.pop(key)
