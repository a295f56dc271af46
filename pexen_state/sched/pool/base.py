"""What the loop and a pool say to each other: jobs, reports, and the protocol between them.

Data and signatures only. A pool runs attempts; it knows nothing of states, locks, budgets or the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause
from pexen_state.journal.records import SubResult
from pexen_state.sched.common import ExceptionInfo

Body = Callable[..., Any]
OnKeeper = Callable[[int], None] | None  #: told the pid of a keeper that was forked


class Context(NamedTuple):
    """Who an attempt is, as the task itself may know it."""

    run: str  #: "" without a journal
    key: str
    attempt_id: str  #: unique over all runs: the cookie by which strays are found
    nth: int
    directory: str | None  #: of this attempt: artifacts/, shared.json; None without a journal
    data: str | None  #: of this task, kept over its attempts
    reboots: int = 0  #: that the task has asked for before
    mark: str = ""  #: what it wanted to be told after the last one
    params: Mapping[str, Any] | None = None  #: of the run; None for none
    is_marked: bool = False  #: its beginning and its end are written into the kernel's log


class Limits(NamedTuple):
    """Seconds; None is no limit. `grace` lies between TERM and KILL, and again between KILL and giving up."""

    timeout: float | None = None
    idle_timeout: float | None = None
    grace: float = 10.0
    total: float | None = None  #: what is left for all attempts together: nobody gets more by asking


NO_LIMITS = Limits()


class Job(NamedTuple):
    """One attempt to run. `shared` is its own copy of what its parents left."""

    task: int
    attempt: int
    body: Body
    shared: dict[str, Any]
    limits: Limits = NO_LIMITS
    context: Context | None = None
    output: str | None = None  #: file for stdout and stderr; None: they are inherited


@dataclass
class Outcome:
    """What an attempt left. Times are taken by this machine's monotonic clock, and told in the runner's.

    One is made for every attempt, so what most of them do not have is the class's until it is set.
    """

    worker: int
    pid: int
    began_us: int  #: microseconds since 1970
    seconds: float
    shared: dict[str, Any]  #: all of it, as the children see it
    ret: Any = None  #: under a journal, from a process: decoded from what the journal keeps
    excinfo: ExceptionInfo | None = None
    exit_code: int | None = field(default=None, init=False)
    signal: int | None = field(default=None, init=False)
    output: str | None = field(default=None, init=False)  #: the file, if it was written to
    ret_json: str | None = field(default=None, init=False)
    shared_json: str | None = field(default=None, init=False)
    error_json: str | None = field(default=None, init=False)
    mark: str | None = field(default=None, init=False)  #: it asked for a reboot, and wants to be told this after it
    results: Sequence[SubResult] = field(default=(), init=False)


class Began(NamedTuple):
    """A worker began an attempt. Not reported for an attempt whose end is reported at the same time."""

    task: int
    attempt: int
    worker: int
    pid: int
    at_us: int


class Ended(NamedTuple):
    """An attempt came to its own end, or to a time limit."""

    task: int
    attempt: int
    ending: Ending
    outcome: Outcome


class Dropped(NamedTuple):
    """An attempt is over without an end of its own: WORKER_DIED, STOPPED, CANCELLED or WITHDRAWN."""

    task: int
    attempt: int
    cause: Cause
    surely_dead: bool = True
    reason: str | None = None
    outcome: Outcome | None = None


class Readable(NamedTuple):
    """A watched descriptor has something to read."""

    fd: int


class Asks(NamedTuple):
    """A running attempt asks for something that is durable when it is answered (`Pool.answer`)."""

    client: int
    task: int
    attempt: int
    body: dict[str, Any]


class Extended(NamedTuple):
    """A running attempt has another time limit."""

    task: int
    attempt: int
    until_us: int  #: microseconds since 1970


Report = Began | Ended | Dropped | Readable | Asks | Extended


class Pool(Protocol):
    """What the loop asks of a pool. All of it is called from one thread, and only `wait` and `close` block."""

    @property
    def workers(self) -> int:
        """How many jobs can run at once."""

    @property
    def spare(self) -> int | None:
        """How many jobs it takes beyond those that can run at once; None: `window` decides."""

    window: int  #: with `spare` None: how many jobs it may have at once; set by the loop
    is_careful: bool  #: workers get jobs one by one, tiny ones too: something has crashed, and who did it is not clear

    @property
    def keeper_pid(self) -> int | None: ...

    @property
    def limit(self) -> int:
        """How many jobs it takes at once."""

    @property
    def room(self) -> int:
        """How many more jobs it takes now. Less than none while it has more than a limit that was lowered."""

    @property
    def owes_reports(self) -> bool:
        """Whether there is a job of which `wait` has not told the end."""

    def register(self, tasks: Iterable[Body]) -> None:
        """Make callables known, before `open`: what it forks then has them in memory, closures too."""

    def open(
        self, journaled: bool, slots: str | None = None, keep_fds: Sequence[int] = (), on_keeper: OnKeeper = None
    ) -> None:
        """Fork the keeper and start the workers, before the journal is opened.

        `keep_fds` stay open in the keeper, so that a lock is held until all of its children are dead. `slots`
        is the file that says which attempts were begun (`slots.begun_marks`); it is written anew. `on_keeper` is
        told the pid of each keeper that is forked, also of one that is forked later.
        """

    def enter(self, group: str | None) -> None:
        """Have the workers that the tasks of a group run on; of none, for None. Nothing is in flight.

        Raises PoolError if they cannot be had.
        """

    def slots_moved(self, path: str) -> None:
        """The slot file is there from now on: what is opened later makes it anew at that place."""

    def admit(self, tasks: Iterable[Body]) -> None:
        """The same while it is open. Raises PoolError if one of them cannot be run here. From any thread."""

    def hand_over(self, jobs: Sequence[Job]) -> None:
        """Queue attempts. Never blocks. Raises PoolError if one of them cannot be run here at all."""

    def wait(self, until: float | None = None, enough: int = 1) -> list[Report]:
        """Block until there is something to report, or until that time of `time.monotonic()`: then `[]`.

        With `enough`, until so many attempts have ended, or there is anything else to report; at that time, what
        there is.
        """

    def kill(self, task: int, attempt: int, cause: Cause, grace: float) -> None:
        """End an attempt: TERM, grace, KILL. The report comes by `wait`: Dropped(cause), or its own end.

        One that no worker began is Dropped(WITHDRAWN): it has not run.
        """

    def answer(self, client: int, body: dict[str, Any]) -> None:
        """Answer what was reported as `Asks`."""

    def withdraw(self) -> None:
        """Take back what no worker began; each comes back by `wait` as Dropped(WITHDRAWN)."""

    def watch(self, fd: int) -> None: ...

    def unwatch(self, fd: int) -> None: ...

    def close(self, grace: float) -> None:
        """End everything. When it returns, all of the pool's processes are dead."""
