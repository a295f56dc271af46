"""What happens to a plan from outside. Inputs are never stored: the plan turns them into decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pexen_state.core.catalogue import Applies
from pexen_state.core.spec import Name, TaskSpec
from pexen_state.core.states import Cause, Verdict


class RunOpened(NamedTuple):
    """A session began: from now on tasks may be submitted."""

    box: str = ""  #: which life of the box it is: another one after every boot, also of a container
    may_reboot: bool = False  #: the box may be rebooted for a task that asks for it


class PoolHasRoom(NamedTuple):
    """The pool can take that many more tasks. The latest word counts."""

    count: int  # type: ignore[assignment]  # nobody counts its items


class Started(NamedTuple):
    """A worker began an attempt."""

    task: int
    attempt: int


class Ending(NamedTuple):
    """How an attempt ended, in plain words, whoever ran it.

    `deps_ok` and `locks_ok` count for the cause FAILED alone: what TaskFailError said.
    """

    cause: Cause
    verdict: Verdict
    deps_ok: bool = True
    locks_ok: bool = True
    reason: str | None = None


class Finished(NamedTuple):
    """An attempt came to its own end, or to a time limit."""

    task: int
    attempt: int
    ending: Ending


class Lost(NamedTuple):
    """An attempt is over without an ending of its own.

    WORKER_DIED, RUNNER_DIED, STOPPED, SHUT_DOWN or CANCELLED; WITHDRAWN if it surely never began; TIMED_OUT if it was
    ended because the run had taken too long. `surely_dead` is False if a process of it could not be killed.
    """

    task: int
    attempt: int
    cause: Cause
    surely_dead: bool = True
    reason: str | None = None


class BoxDied(NamedTuple):
    """The box crashed or lost power, and there was a new boot since. These (task, attempt) were in flight."""

    attempts: tuple[tuple[int, int], ...]  #: the most suspicious first


class NewBoot(NamedTuple):
    """There was a new boot since anything was decided, whatever it was for. Said after what it ended."""


class NotRebooted(NamedTuple):
    """The box was to be rebooted, and was not."""

    reason: str  #: a sentence


class TasksAdded(NamedTuple):
    """`by` and `calls` are those of the decision `Added`."""

    specs: tuple[TaskSpec, ...]
    by: int | None = None
    calls: tuple[str, ...] = ()


class TasksAbsent(NamedTuple):
    """The caller had added these while the run went on, and has not done so again in this session: until then nobody
    knows how to run them.
    """

    tasks: tuple[int, ...]


class TaskBrought(NamedTuple):
    """One of those is there again."""

    task: int


class ConditionsKnown(NamedTuple):
    """What decides whether a task applies here: of tasks of which that was not decided yet, and of those that join.

    Said before anything is submitted.
    """

    applies: Applies
    again: bool = False  #: anew of all that have not begun, those included that were skipped for it


class TaskGone(NamedTuple):
    """A task of the journal is no longer there; if it is unfinished, it never will be finished."""

    task: int


class TaskChanged(NamedTuple):
    """A task that has ended is not what it was then: it is to run again."""

    task: int


class DeadlineMoved(NamedTuple):
    """An attempt that is running has got another time limit."""

    task: int
    attempt: int
    until_us: int  #: microseconds since 1970


class PassedBefore(NamedTuple):
    """These tasks passed in another run, and need not run in this one: what they provide counts as there."""

    reasons: Mapping[int, str]  #: by number: a sentence


class PauseAsked(NamedTuple):
    """Start nothing new, let what runs end."""

    by: str


class StopAsked(NamedTuple):
    """Start nothing new, stop what runs. The run can be resumed."""

    by: str


class CancelAsked(NamedTuple):
    """A person ends one task, or the whole run (task None). Nothing of it will be resumed."""

    task: int | None = None


class RunTimedOut(NamedTuple):
    """The run has taken as long as it may. What runs is ended, but for what runs `always`; the rest never runs."""

    reason: str  #: a sentence


class UnlockAsked(NamedTuple):
    lock: Name


Input = (
    RunOpened
    | PoolHasRoom
    | Started
    | Finished
    | Lost
    | BoxDied
    | NewBoot
    | NotRebooted
    | DeadlineMoved
    | TasksAdded
    | ConditionsKnown
    | TasksAbsent
    | TaskBrought
    | TaskGone
    | TaskChanged
    | PassedBefore
    | PauseAsked
    | StopAsked
    | CancelAsked
    | RunTimedOut
    | UnlockAsked
)
