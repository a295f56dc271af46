"""What a run is at, for a display that draws a frame: how much is left, and which tasks run for how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pexen_state.core.listing import listed
from pexen_state.core.states import State
from pexen_state.report.display import Progress, Running
from pexen_state.report.style import count

if TYPE_CHECKING:
    from pexen_state.core.plan import Plan
    from pexen_state.sched.planner import Sched

_SHOWN = 8


class Watch:
    """Looks at the plan, in the run's own thread and only when asked. A task runs since it was first seen running."""

    def __init__(self, sched: Sched, clock: Callable[[], float] = time.monotonic) -> None:
        self._sched = sched
        self._clock = clock
        self._suspects: set[int] = set()  # all of them since the box crashed
        self._told = ""
        self._since: dict[tuple[int, int], float] = {}  # (task, attempt) -> when it was seen first

    @property
    def in_flight(self) -> int:
        """More than there are workers may be: those were handed over and have not begun."""
        plan = self._sched.plan
        return len(plan.in_flight) if plan is not None else 0

    def keys(self) -> Iterator[str]:
        """Of all tasks of the run."""
        plan = self._sched.plan
        return (task.spec.key for task in plan.tasks.values()) if plan is not None else iter(())

    def news(self) -> str | None:
        """A sentence, once: who is tried after a crash of the box, for whom it is rebooted. Cheap without either."""
        plan = self._sched.plan
        if plan is None or not (plan.suspects or plan.awaiting or self._suspects):
            return None
        told = ""
        if plan.awaiting and plan.may_reboot:
            told = _reboot_in_words(plan)
        elif plan.suspects:
            self._suspects.update(plan.suspects)
            nth = len(self._suspects) - len(plan.suspects) + 1
            key = plan.tasks[plan.suspects[0]].spec.key
            told = f"trying {nth} of {count(len(self._suspects), 'suspect')}, alone: {key}"
        elif self._suspects:
            self._suspects.clear()
            told = "no task is under suspicion any more: the others go on"
        if not told or told == self._told:
            return None
        self._told = told
        return f"pexen: {told}."

    def look(self) -> Progress:
        plan = self._sched.plan
        if plan is None:
            return Progress(0)
        now = self._clock()
        running = {
            (number, task.attempt): task.spec.key
            for number in plan.in_flight
            if (task := plan.tasks[number]).state is State.RUNNING
        }
        self._since = {attempt: self._since.get(attempt, now) for attempt in running}
        longest = sorted(running, key=self._since.__getitem__)[:_SHOWN]
        shown = tuple(Running(running[attempt], now - self._since[attempt]) for attempt in longest)
        return Progress(plan.unfinished, shown, len(plan.in_flight), len(plan.tasks))


def _reboot_in_words(plan: Plan) -> str:
    """What a session does that may reboot the box, and is asked to."""
    who = listed([plan.tasks[number].spec.key for number in sorted(plan.awaiting)])
    if plan.is_rebooting:
        return f"rebooting the box for {who}"
    may_end = f", and {count(len(plan.in_flight), 'task')} may end first" if plan.in_flight else ""
    return f"the box is to be rebooted for {who}: nothing new is started{may_end}"
