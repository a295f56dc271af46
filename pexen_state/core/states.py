"""The words of a run: states, verdicts, causes, and the table of legal transitions.

Everything here is data. Integers go into the tables of the journal and are therefore fixed for ever; words
(`.word`) go into the views, the command line and the messages.
"""

from __future__ import annotations

from enum import IntEnum


class Word(IntEnum):
    """An integer in the tables, a word for people."""

    # Enum's own hash is a call into python, and the plan looks causes up for every transition.
    __hash__ = int.__hash__

    word: str

    def __init__(self, _: int) -> None:
        self.word = self._name_.lower()


class State(Word):
    """Where a task stands. What each state means for its locks is said in the docs' table, drawn from here."""

    WAITING = 0  #: a required name is not provided yet
    READY = 1  #: may run as soon as its locks are free; keeps its locks if it is to be retried or continued
    SUBMITTED = 2  #: decided and durable; handed to the pool next
    RUNNING = 3  #: a worker said that it started
    REBOOTING = 4  #: asked for a reboot; goes back to `ready` in the next boot
    LOST = 5  #: its worker, the runner or the machine went away
    SUCCEEDED = 6  #: returned
    FAILED = 7  #: raised, or ended non-zero, or crashed once too often
    TIMED_OUT = 8  #: over a time limit, killed
    SKIPPED = 9  #: never ran, or said that it does not apply here
    CANCELLED = 10  #: a person said stop

    @property
    def is_final(self) -> bool:
        return self >= State.SUCCEEDED

    @property
    def in_flight(self) -> bool:
        return self is State.SUBMITTED or self is State.RUNNING


class Verdict(Word):
    """What a person concludes; worst last. `NOT_RUN` stands outside that order."""

    NONE = 0  #: no verdict yet
    SKIP = 1  #: does not apply here
    INFO = 2  #: nothing to judge
    PASS = 3  #: all is well
    WARN = 4  #: passed, with problems
    FAIL = 5  #: what was tested is not as it should be
    ERROR = 6  #: could not be judged: the task itself is broken
    TIMEOUT = 7  #: over a time limit
    CRASH = 8  #: took its worker or the box down
    NOT_RUN = 9  #: a failure or a held lock kept it from running

    @property
    def is_good(self) -> bool:
        return self <= Verdict.WARN

    @property
    def is_bad(self) -> bool:
        """It ended badly. What never ran is neither good nor bad."""
        return Verdict.FAIL <= self <= Verdict.CRASH


#: The words of the bad verdicts, for whoever reads them from the journal's views.
BAD_WORDS = frozenset(verdict.word for verdict in Verdict if verdict.is_bad)


class Cause(Word):
    """Why a task went from one state to another. The cause that ends an attempt is the attempt's cause."""

    START = 1  #: nothing was required (implied, no row)
    PROVIDED = 2  #: the last required name was provided (implied, no row)
    DISPATCH = 3  #: its turn came
    STARTED = 4  #: a worker said that it began
    WITHDRAWN = 5  #: handed over, but surely never begun: costs nothing, counts nowhere
    RETRY = 6  #: a budget allows another attempt
    HELD_BACK = 7  #: before its first attempt a task was added that it has to wait for (implied, no row)
    CHANGED = 8  #: it had ended, its code changed since, or it applies here now, and it is to run again
    REOPENED = 9  #: a task that changed runs again, and this one waits for it anew

    RETURNED = 10  #: a callable returned, an executable ended with a good status
    FAILED = 11  #: raised TaskFailError: failed in a controlled manner
    ASSERTED = 12  #: raised AssertionError
    RAISED = 13  #: raised any other exception
    EXITED = 14  #: an executable ended with a bad status
    SIGNALLED = 15  #: an executable died of a signal
    SKIPPED = 16  #: said that it does not apply here (Skip, exit status 77)
    TIMED_OUT = 17  #: over its time limit
    IDLE = 18  #: silent for longer than its idle time limit
    KERNEL = 19  #: ended well, but the kernel told of trouble meanwhile, which the task takes for a failure

    WORKER_DIED = 20  #: the attempt took its worker with it
    RUNNER_DIED = 21  #: the runner was killed (same boot)
    STOPPED = 22  #: the runner was asked to stop, and stopped the attempt
    CANCELLED = 23  #: a person cancelled it
    SHUT_DOWN = 24  #: the box was shut down, or rebooted for another task, while it ran
    BOX_DIED = 25  #: the box crashed or lost power while it ran beside others
    BOX_DIED_ALONE = 26  #: the box crashed or lost power while it alone was in flight: that counts against it
    REBOOT_ASKED = 27  #: it asked for a reboot
    REBOOTED = 28  #: the box was rebooted for it
    NO_REBOOT = 29  #: it asked for a reboot, and there was none

    DOES_NOT_APPLY = 30  #: every task that could provide a required name was skipped
    UNMET = 31  #: a required name was lost: everything that could provide it ended without
    LOCKED = 32  #: a lock that it needs is held for good by a task that ended
    GONE = 33  #: no longer among the tasks when the run was resumed
    GIVEN_UP = 34  #: too many tasks had failed, or the run's time was over, so the run was given up
    OUT_OF_TIME = 35  #: over the time limit of all its attempts together
    PART_FAILED = 36  #: ended well, but had reported a part of it that did not
    CONDITION = 37  #: its condition is not true here (`when`)
    PASSED_BEFORE = 38  #: it passed in another run, and is not to run again: what it provides counts as there


#: Causes that end an attempt, and the state that the attempt ended in (the task may be tried again).
ATTEMPT_STATE: dict[Cause, State] = {
    Cause.WITHDRAWN: State.READY,
    Cause.RETURNED: State.SUCCEEDED,
    Cause.FAILED: State.FAILED,
    Cause.ASSERTED: State.FAILED,
    Cause.RAISED: State.FAILED,
    Cause.EXITED: State.FAILED,
    Cause.SIGNALLED: State.FAILED,
    Cause.SKIPPED: State.SKIPPED,
    Cause.TIMED_OUT: State.TIMED_OUT,
    Cause.IDLE: State.TIMED_OUT,
    Cause.KERNEL: State.FAILED,
    Cause.OUT_OF_TIME: State.TIMED_OUT,
    Cause.PART_FAILED: State.FAILED,
    Cause.WORKER_DIED: State.LOST,
    Cause.RUNNER_DIED: State.LOST,
    Cause.STOPPED: State.LOST,
    Cause.SHUT_DOWN: State.LOST,
    Cause.BOX_DIED: State.LOST,
    Cause.BOX_DIED_ALONE: State.LOST,
    Cause.REBOOT_ASKED: State.REBOOTING,
    Cause.CANCELLED: State.CANCELLED,
}

#: Endings that count against `retries` when another attempt follows.
FAILURES = frozenset(
    {
        Cause.FAILED,
        Cause.ASSERTED,
        Cause.RAISED,
        Cause.EXITED,
        Cause.SIGNALLED,
        Cause.SKIPPED,
        Cause.TIMED_OUT,
        Cause.IDLE,
        Cause.KERNEL,
        Cause.PART_FAILED,
    }
)

#: Failures that are retried when nothing else is said. A task that failed in a controlled manner, or does
#: not apply here, knew what it said.
RETRIED = FAILURES - {Cause.FAILED, Cause.SKIPPED}

#: Deaths that count against `max_crashes`.
CRASHES = frozenset({Cause.WORKER_DIED, Cause.BOX_DIED_ALONE})

_LOST = frozenset(cause for cause, state in ATTEMPT_STATE.items() if state is State.LOST)
#: Why tasks never ran that do not apply here.
APPLIES_NOT = frozenset({Cause.DOES_NOT_APPLY, Cause.CONDITION})
_NEVER_RAN = APPLIES_NOT | {Cause.PASSED_BEFORE, Cause.UNMET, Cause.LOCKED, Cause.GONE, Cause.GIVEN_UP}


_SENT_BACK = frozenset({State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.SKIPPED})


def _in_flight(old: State) -> dict[tuple[State, State], frozenset[Cause]]:
    return {
        (old, State.SUCCEEDED): frozenset({Cause.RETURNED}),
        (old, State.FAILED): frozenset(c for c, s in ATTEMPT_STATE.items() if s is State.FAILED),
        (old, State.TIMED_OUT): frozenset({Cause.TIMED_OUT, Cause.IDLE, Cause.OUT_OF_TIME}),
        (old, State.SKIPPED): frozenset({Cause.SKIPPED}),
        (old, State.CANCELLED): frozenset({Cause.CANCELLED}),
        (old, State.LOST): _LOST,
        (old, State.REBOOTING): frozenset({Cause.REBOOT_ASKED}),
    }


#: The law: (old state, new state) -> the causes that may lead there. Everything else is illegal.
LEGAL: dict[tuple[State, State], frozenset[Cause]] = {
    (State.WAITING, State.READY): frozenset({Cause.START, Cause.PROVIDED}),
    (State.WAITING, State.SKIPPED): _NEVER_RAN,
    (State.WAITING, State.CANCELLED): frozenset({Cause.CANCELLED}),
    (State.READY, State.WAITING): frozenset({Cause.HELD_BACK, Cause.REOPENED}),
    (State.READY, State.SUBMITTED): frozenset({Cause.DISPATCH}),
    (State.READY, State.SKIPPED): _NEVER_RAN,
    (State.READY, State.CANCELLED): frozenset({Cause.CANCELLED}),
    (State.SUBMITTED, State.RUNNING): frozenset({Cause.STARTED}),
    (State.SUBMITTED, State.READY): FAILURES | {Cause.WITHDRAWN},
    **_in_flight(State.SUBMITTED),
    (State.RUNNING, State.READY): FAILURES,
    **_in_flight(State.RUNNING),
    (State.LOST, State.READY): frozenset({Cause.RETRY}),
    (State.LOST, State.FAILED): CRASHES,
    (State.LOST, State.SKIPPED): frozenset({Cause.GONE, Cause.GIVEN_UP}),
    (State.LOST, State.CANCELLED): frozenset({Cause.CANCELLED}),
    (State.REBOOTING, State.READY): frozenset({Cause.REBOOTED}),
    (State.REBOOTING, State.FAILED): frozenset({Cause.NO_REBOOT}),
    (State.REBOOTING, State.SKIPPED): frozenset({Cause.GONE, Cause.GIVEN_UP}),
    (State.REBOOTING, State.CANCELLED): frozenset({Cause.CANCELLED}),
    **{(old, State.WAITING): frozenset({Cause.CHANGED}) for old in _SENT_BACK - {State.SKIPPED}},
    (State.SKIPPED, State.WAITING): frozenset({Cause.CHANGED, Cause.REOPENED}),
}


#: Causes of transitions that follow from what other tasks did. Nobody decides them and they have no row.
IMPLIED = frozenset({Cause.START, Cause.PROVIDED, Cause.HELD_BACK})

#: What a decision may say: (old state, new state, cause).
DECIDABLE = frozenset((old, new, cause) for (old, new), causes in LEGAL.items() for cause in causes - IMPLIED)


def is_legal(old: State, new: State, cause: Cause) -> bool:
    return cause in LEGAL.get((old, new), ())


class Locks(Word):
    """What becomes of a task's locks when it has ended."""

    FREED = 0
    HELD = 1  #: as the original: an uncontrolled exception leaves them held
    DIRTY = 2  #: what they guard may be broken: held until recovered or unlocked

    @property
    def kept(self) -> bool:
        return self is not Locks.FREED
