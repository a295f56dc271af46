"""How an attempt is ended: TERM, a grace, KILL, another grace, given up. And when its time is over.

Pure: it is told the time and says what is to be done; the keeper does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pexen_state.core.states import Cause
from pexen_state.sched.pool.slots import Current


class Step(Enum):
    """What the keeper is to do to an attempt now."""

    TERM = 1  #: ask it to end
    KILL = 2  #: end it; said again and again until it is gone, since what is killed may be forking
    GIVE_UP = 3  #: it cannot be killed (state D): its worker is given up and replaced


#: Of these it is to be known what the attempt was at.
OVER_LIMIT = frozenset({Cause.TIMED_OUT, Cause.IDLE})

#: How often KILL is repeated, and how often the keeper looks whether a pursued attempt is over.
REPEAT = 0.02
#: How long the keeper may sleep while limits are in force and it knows of no deadline.
LOOK = 0.5


@dataclass(slots=True)
class Pursuit:
    """One attempt that is being ended."""

    mark: int
    cause: Cause
    reason: str | None
    grace: float
    is_told: bool = False  #: the runner knows
    evidence: str | None = None  #: path of what it was at
    is_abrupt: bool = False  #: KILL at once: what is to be ended must not go on by a single step
    killed_from: float | None = None  #: when KILL begins; None: nothing was sent
    given_up_from: float = 0.0

    def step(self, now: float) -> Step | None:
        """What is due now; None: wait."""
        if self.killed_from is None:
            self.killed_from = now if self.is_abrupt else now + self.grace
            self.given_up_from = self.killed_from + max(self.grace, 1.0)
            return Step.KILL if self.is_abrupt else Step.TERM
        if now >= self.given_up_from:
            return Step.GIVE_UP
        if now >= self.killed_from:
            return Step.KILL
        return None

    def hasten(self, grace: float, now: float) -> None:
        """Somebody asks again, and has less patience."""
        if self.killed_from is not None and now + grace < self.killed_from:
            self.given_up_from = now + grace + max(grace, 1.0)
            self.killed_from = now + grace


class IdleClock:
    """Since when the output of each worker's attempt has not grown."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, int, float]] = {}  # worker -> (mark, size, since)

    def beat(self, worker: int, mark: int, now: float) -> None:
        """The attempt says that it lives."""
        _, size, _ = self._seen.get(worker, (0, 0, 0.0))
        self._seen[worker] = (mark, size, now)

    def silent_since(self, worker: int, current: Current, size: int, now: float) -> float:
        mark, old_size, since = self._seen.get(worker, (0, 0, 0.0))
        if mark != current.mark:
            # What was written between the beginning and now was written now, for all that we know.
            since = current.began if size == 0 else now
        elif size != old_size:
            since = now
        self._seen[worker] = (current.mark, size, since)
        return since


def overdue(current: Current, silent_since: float | None, now: float) -> tuple[Cause, str] | None:
    """The limit that an attempt is over, with a reason for people."""
    if current.deadline is not None and now >= current.deadline:
        seconds = current.deadline - current.began
        return Cause.TIMED_OUT, f"over its time limit of {seconds_in_words(seconds)}"
    if current.idle_timeout is not None and silent_since is not None and now >= silent_since + current.idle_timeout:
        return Cause.IDLE, f"wrote nothing for {seconds_in_words(current.idle_timeout)}, its limit for that"
    return None


def next_look(current: Current, silent_since: float | None) -> float:
    """When an attempt may be over a limit, as far as is known now; infinity for never."""
    due = float("inf")
    if current.deadline is not None:
        due = current.deadline
    if current.idle_timeout is not None and silent_since is not None:
        due = min(due, silent_since + current.idle_timeout)
    return due


def seconds_in_words(seconds: float) -> str:
    """`5 s`, `1.5 s`: without digits that nobody asked for."""
    return f"{round(seconds, 3):g} s"
