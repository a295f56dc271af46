"""Time limits that outlast an attempt: of all attempts of a task together, and of the whole run.

Both count the time in which somebody was at work, over all sessions; while the box was down nobody was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from pexen_state.core.inputs import Ending, Input, RunTimedOut
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.pool.base import NO_LIMITS, Limits
from pexen_state.sched.pool.limits import seconds_in_words

#: An attempt of a task that has no time left is ended as soon as it begins.
_AT_ONCE = 0.001


class TimeSpent:
    """What the attempts of tasks with a total limit have taken so far, in seconds; `spent` is of earlier sessions."""

    def __init__(self, spent: Mapping[int, float] | None = None) -> None:
        self._spent = dict(spent or {})
        self.limited: set[int] = set()  #: tasks that have such a limit, as far as they were submitted

    def limits_of(self, number: int, spec: TaskSpec) -> Limits:
        """Of the next attempt."""
        if spec.total_timeout is None:
            timeout, idle_timeout = spec.timeout, spec.idle_timeout
            return NO_LIMITS if timeout is None and idle_timeout is None else Limits(timeout, idle_timeout)
        self.limited.add(number)
        left = max(spec.total_timeout - self._spent.get(number, 0.0), _AT_ONCE)
        timeout = left if spec.timeout is None else min(spec.timeout, left)
        return Limits(timeout, spec.idle_timeout, total=left)

    def lost(self, number: int, seconds: float) -> None:
        """An attempt took so long, and did not come to an end of its own."""
        self._spent[number] = self._spent.get(number, 0.0) + seconds

    def ended(self, number: int, spec: TaskSpec, seconds: float, ending: Ending) -> Ending:
        """An attempt of a task with such a limit took so long. Returns its ending, as it is to be told."""
        assert spec.total_timeout is not None
        self.lost(number, seconds)
        if ending.cause is not Cause.TIMED_OUT or self._spent[number] < spec.total_timeout:
            return ending
        limit = seconds_in_words(spec.total_timeout)
        reason = f"over the time limit of {limit} that all its attempts have together"
        return Ending(Cause.OUT_OF_TIME, Verdict.TIMEOUT, reason=reason)


class RunClock:
    """Tells once that the run has taken longer than `limit` seconds, of which `spent` were in earlier sessions."""

    def __init__(self, limit: float, spent: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self.due = clock() + max(0.0, limit - spent)  #: by the clock: when there will be something to take

    def take(self) -> list[Input]:
        if self._clock() < self.due:
            return []
        self.due = math.inf
        return [RunTimedOut(f"the run took longer than {seconds_in_words(self._limit)}, its time limit")]
