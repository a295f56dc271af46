"""What the runner, its keeper and its workers say to each other.

Messages about an attempt's fate are plain data. What a task made itself (what it returned, left in `shared`,
raised) travels inside of them as separate pickles, so that one that cannot be loaded spoils nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.journal.records import SubResult
from pexen_state.sched.invoke import PASSED

# -- runner -> workers, in chunks


class Order(NamedTuple):
    """An attempt to run, as it is sent to a worker."""

    serial: int  #: grows with every order of this pool
    mark: int
    body: int | str | bytes  #: number among the registered ones, "module:qualname", or a pickle
    shared: bytes | None  #: pickled; None for an empty one
    limits: tuple[float | None, float | None, float, float | None]  #: as in `base.Limits`
    context: tuple[Any, ...] | None  #: a `base.Context`
    output: str | None


# -- worker -> runner


class ErrorParts(NamedTuple):
    """An exception, pickled; a part that does not survive that is None. A traceback never does."""

    type: bytes | None
    val: bytes | None


PlainEnding = tuple[int, int, bool, bool, str | None]
PlainResult = tuple[Any, ...]  #: a `SubResult`, with the number of its verdict


class Done(NamedTuple):
    """An attempt has ended by itself."""

    worker: int
    pid: int
    mark: int
    began: float
    seconds: float
    ending: PlainEnding
    exit_code: int | None = None
    signal: int | None = None
    has_output: bool = False
    ret: bytes | None = None  #: pickled
    shared: bytes | None = None  #: pickled; None: as it was
    error: ErrorParts | None = None
    ret_json: str | None = None
    shared_json: str | None = None
    error_json: str | None = None
    results: tuple[PlainResult, ...] = ()  #: about its parts


def plain_results(results: Iterable[SubResult]) -> tuple[PlainResult, ...]:
    return tuple((name, int(verdict), *more) for name, verdict, *more in results)


def results_of(fields: Iterable[PlainResult]) -> tuple[SubResult, ...]:
    return tuple(SubResult(name, Verdict(verdict), *more) for name, verdict, *more in fields)


def plain(ending: Ending) -> PlainEnding:
    """As it travels: enums are slow to pickle, and slower to load."""
    return _PASSED if ending == PASSED else (int(ending.cause), int(ending.verdict), *ending[2:])


def ending_of(fields: PlainEnding) -> Ending:
    return PASSED if fields == _PASSED else Ending(Cause(fields[0]), Verdict(fields[1]), *fields[2:])


_PASSED = (int(PASSED.cause), int(PASSED.verdict), *PASSED[2:])


class NotBegun(NamedTuple):
    """A worker had taken this attempt, and gives it back because it was withdrawn."""

    worker: int
    mark: int


# -- runner -> keeper


class EnforceLimits(NamedTuple):
    """From now on there are limits; the shortest is this many seconds."""

    shortest: float


class Kill(NamedTuple):
    """End this attempt; if it has not begun, as soon as it does."""

    mark: int
    cause: Cause
    grace: float


class Answer(NamedTuple):
    """To an attempt that asked by `Asked`."""

    client: int
    body: dict[str, Any]


class Spare(NamedTuple):
    """This attempt is over: forget that it was to be killed."""

    mark: int


class RenewIdle(NamedTuple):
    """Replace each worker that is at no attempt, so that nobody can hold an order that never began."""


class Close(NamedTuple):
    """End everything, with this grace, and exit."""

    grace: float


# -- keeper -> runner


class Hired(NamedTuple):
    """A worker was forked."""

    worker: int
    pid: int
    start: int  #: its start time, which with the pid is its identity


class Over(NamedTuple):
    """The keeper is about to end an attempt. Said before the first signal is sent."""

    mark: int
    cause: Cause
    reason: str | None
    asked: dict[str, Any] | None = None  #: the attempt's own request, if it asked for that
    evidence: str | None = None  #: path of what it was at


class Asked(NamedTuple):
    """A running attempt asks for what is the runner's to do."""

    client: int
    mark: int
    body: dict[str, Any]


class DeadlineMoved(NamedTuple):
    """A running attempt has another time limit."""

    mark: int
    until_us: int  #: microseconds since 1970


class Gone(NamedTuple):
    """A worker is dead, or given up, and so is what it had started."""

    worker: int
    pid: int
    status: int | None  #: as `waitpid` gives it; None if it was given up
    begun: int  #: how many attempts were ever begun in its slot; the rest is its successor's
    died: float  #: `time.monotonic()`
    survivors: str | None  #: processes that could not be killed, in words


class Trouble(NamedTuple):
    """The keeper cannot do its work."""

    reason: str


FromWorker = Done | NotBegun
ToKeeper = EnforceLimits | Kill | Answer | Spare | RenewIdle | Close
FromKeeper = Hired | Over | Asked | DeadlineMoved | Gone | Trouble
