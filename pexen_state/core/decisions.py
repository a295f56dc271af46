"""What the plan decides, and the journal stores: the one sequence that, replayed, gives the plan again.

Decisions are NamedTuples because millions are made (a frozen dataclass costs more than twice the time).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pexen_state.core.spec import Name, TaskSpec
from pexen_state.core.states import Cause, Locks, State, Verdict


class Transition(NamedTuple):
    """A task goes from one state to another."""

    task: int
    attempt: int  #: the attempt's number, 0 before the first
    old: State
    new: State
    cause: Cause
    verdict: Verdict = Verdict.NONE  #: once it is final
    provided: bool = False  #: it kept the promise of its `provides`
    locks: Locks = Locks.FREED  #: what becomes of its locks, once it is final
    reason: str | None = None  #: a sentence, where the cause does not say all


class Added(NamedTuple):
    """Tasks joined the run. `first` is the number of the first; the others follow."""

    first: int
    specs: tuple[TaskSpec, ...]
    by: int | None = (
        None  #: who added them while the run went on: a task, or the caller, 0; None: they were given to it
    )
    calls: tuple[str, ...] = ()  #: how each is made again, as whoever added them wrote it down; no business of the plan


class Paused(NamedTuple):
    """Nothing new is started in this session. A run paused by a person is not resumed by itself."""

    by: str  #: "pause", "interrupt", ...


class Unlocked(NamedTuple):
    """A person freed a lock that tasks which had ended still held."""

    lock: Name


class Recovered(NamedTuple):
    """A task that recovers a lock has passed: what tasks which had ended still held of it is free."""

    lock: Name  #: what was held: the very name that the task recovers, or one below it
    task: int  #: who recovered it


class Cleared(NamedTuple):
    """There was a new boot, and what these tasks had left dirty is clean after one.

    Who has ended holds its locks no more; who is to be tried again holds them as if they had never been dirty.
    """

    tasks: tuple[int, ...]


class Cancelled(NamedTuple):
    """A person ended some tasks, or the whole run. What of it is in flight will not be tried again."""

    tasks: tuple[int, ...]  #: those that were in flight then
    whole_run: bool


class GivenUp(NamedTuple):
    """Too many tasks have failed, or the run's time is over. What runs `always` still runs, what is in flight may end
    or is ended, the rest never runs.
    """

    reason: str  #: a sentence
    at_once: bool = False  #: nothing is tried again either


class Suspected(NamedTuple):
    """The box crashed, and these were in flight: one after the other they run alone, until each came to an end.

    Said anew whenever one is cleared; nobody is under suspicion after an empty one.
    """

    tasks: tuple[int, ...]  #: in the order in which they are tried


class Rebooting(NamedTuple):
    """The box is rebooted now, for all tasks that asked for it."""

    box: str  #: which life of the box is to end (`RunOpened.box`)


class Extended(NamedTuple):
    """An attempt has got another time limit, because it asked for that."""

    task: int
    attempt: int
    until_us: int  #: microseconds since 1970


class ConditionsDecided(NamedTuple):
    """Of the first so many tasks it is decided whether they apply here; those that do not were skipped. It stays so."""

    tasks: int


class Entered(NamedTuple):
    """From now on tasks of that group run, and no others. Nothing was in flight."""

    group: str | None  #: None: tasks without a group


#: What frees locks of tasks that had ended. Its place among these endings tells.
Freeing = Unlocked | Recovered

#: What was decided about the run and is no task's state, but tells how the run stands.
Intervention = Freeing | Cancelled | GivenUp | Suspected | Rebooting | ConditionsDecided | Entered

#: What is no task's state, and needs no telling beside the projection.
Passing = Paused | Cleared | Extended

Decision = Transition | Added | Passing | Intervention


class Restored(NamedTuple):
    """Where a task stood when the journal was last written: the projection, applied instead of a replay."""

    task: int
    state: State
    attempt: int
    withdrawn: int  #: how many of its attempts never began
    failures: int  #: how many were failures that were tried again
    crashes: int  #: how many took their worker, or the box, with them
    verdict: Verdict = Verdict.NONE
    provided: bool = False
    locks: Locks = Locks.FREED  #: as it is after what was `Cleared` since; what was freed otherwise is told beside it
    reason: str | None = None
    is_fresh: bool = False  #: it was sent back, and not submitted since; without an attempt it is fresh anyway
    reboots: int = 0  #: how many it asked for, since it last began from its beginning


class AllRestored(NamedTuple):
    """The same of tasks that ended one after the other, and differ in nothing. They keep no lock, and no attempt of
    theirs failed, or took its worker with it, or never began.
    """

    tasks: Sequence[int]  #: as they ended
    state: State
    attempt: int
    verdict: Verdict
    provided: bool
    is_fresh: bool = False


#: What a journal says of a run that is to go on: where tasks stood, and what was decided about it otherwise.
Saved = Restored | AllRestored | Intervention
