"""What is handed to the journal and comes out of it: plain values, and the words that only the journal knows.

The API speaks the plan's task numbers, 1, 2, ... within a run; ids of rows are the journal's own business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pexen_state.core.decisions import Restored
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Locks, State, Verdict, Word
from pexen_state.journal.specs import spec_from_json

# Enums by number: looking into a list is much faster than calling the enum.
STATES = list(State)
VERDICTS = list(Verdict)
LOCKS = list(Locks)


class RunState(Word):
    UNFINISHED = 0  #: can be resumed; only the lock knows whether somebody runs it
    FINISHED = 1  #: every task has ended
    CANCELLED = 2  #: a person, or a limit, ended it
    SUPERSEDED = 3  #: a newer run of the same suite began


class HowEnded(Word):
    """How one life of the runner ended."""

    FINISHED = 1
    STOPPED = 2  #: asked to stop, by a signal or by whoever took the results
    PAUSED = 3  #: a person asked to start nothing new
    PARKED = 4  #: given up until a person looks
    FAILED = 5  #: the journal, or pexen itself, failed
    KILLED = 6  #: found dead by the next session, in the same boot
    REBOOTED = 7  #: a task asked for it
    SHUTDOWN = 8  #: somebody else shut the box down
    CRASHED = 9  #: found dead by the next session, in another boot
    STEERED = 10  #: nothing was run: a person cancelled or unlocked something while nobody ran the run


class NewTask(NamedTuple):
    spec: TaskSpec
    fingerprint: bytes | None = None  #: 16 bytes that change when the task's code does


class Beginning(Protocol):
    """A worker began an attempt that has not ended yet. Whoever has these attributes can be handed over as it is."""

    @property
    def task(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def worker(self) -> int | None: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def at_us(self) -> int: ...


class AttemptBegan(NamedTuple):
    """A `Beginning` made by hand."""

    task: int
    attempt: int
    worker: int | None
    pid: int | None
    at_us: int  #: microseconds since 1970


class Left(Protocol):
    """What an attempt left, as `AttemptEnd` explains it. Whoever has these attributes can be handed over as it is."""

    @property
    def worker(self) -> int | None: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def began_us(self) -> int | None: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def exit_code(self) -> int | None: ...
    @property
    def signal(self) -> int | None: ...
    @property
    def output(self) -> str | None: ...
    @property
    def ret_json(self) -> str | None: ...
    @property
    def shared_json(self) -> str | None: ...
    @property
    def error_json(self) -> str | None: ...
    @property
    def mark(self) -> str | None: ...
    @property
    def results(self) -> Sequence[SubResult]: ...


class Checkpoint(NamedTuple):
    """What a running attempt wants to find again, whatever happens."""

    task: int
    key: str
    value: Any  #: of JSON


#: Called so, and with no other metrics, it is no part of an attempt, but what the attempt used of the box.
USAGE = "usage"
USAGE_METRICS = frozenset({"cpu_seconds", "cpu_system_seconds", "memory_peak_bytes"})


class SubResult(NamedTuple):
    """What is said about a part of an attempt, or about something that happened meanwhile."""

    name: str
    verdict: Verdict
    note: str | None = None
    metrics: Mapping[str, float] | None = None
    files: tuple[str, ...] = ()  #: below the attempt's directory of artifacts


class AttemptEnd(NamedTuple):
    """A `Left` made by hand. What is JSON is as `codec` makes it, None for nothing."""

    worker: int | None = None
    pid: int | None = None
    began_us: int | None = None  #: microseconds since 1970
    seconds: float | None = None  #: by the monotonic clock
    exit_code: int | None = None
    signal: int | None = None
    output: str | None = None  #: path of its output file, None if there is none
    ret_json: str | None = None
    shared_json: str | None = None  #: what the task changed
    error_json: str | None = None
    mark: str | None = None  #: what it wants to be told after the reboot that it asked for
    results: Sequence[SubResult] = ()


class RunRecord(NamedTuple):
    id: int
    uuid: str
    name: str
    target: Any
    options: Mapping[str, Any]
    shared: str | None  #: JSON of what the run began with
    state: RunState
    verdict: Verdict
    began_us: int
    how_ended: HowEnded | None  #: how its last session ended; None: it had none, or it was cut off or still lives
    sessions: int


class SavedTask(NamedTuple):
    """A task as it stood when the journal was last written: its row, with the numbers that stand for words.

    There may be a million of them, of which few are asked for more: so what they mean is made when it is asked for.
    """

    number: int
    key: str
    fingerprint: bytes | None
    state_number: int
    attempt: int
    withdrawn: int
    failures: int
    crashes: int
    verdict_number: int
    provided: int
    locks_number: int
    reason: str | None
    ended_seq: int | None  #: `seq` of the transition that ended it
    spec_json: str | None
    submitted_seq: int | None = None  #: `seq` of its latest submission, None if it was sent back since
    reboots: int = 0

    @property
    def spec(self) -> TaskSpec:
        """As it was recorded."""
        return spec_from_json(self.key, self.spec_json)

    @property
    def state(self) -> State:
        return STATES[self.state_number]

    @property
    def is_as_declared(self) -> bool:
        """Nothing has happened to it, or nothing that does not follow from what happened to others."""
        return not self.attempt and self.state_number <= State.READY and self.reason is None

    @property
    def restored(self) -> Restored:
        return Restored(
            self.number,
            STATES[self.state_number],
            self.attempt,
            self.withdrawn,
            self.failures,
            self.crashes,
            VERDICTS[self.verdict_number],
            self.provided == 1,
            LOCKS[self.locks_number],
            self.reason,
            self.submitted_seq is None,
            self.reboots,
        )


class RecordedTask(NamedTuple):
    """Who a task is, as the journal recorded it, and whether it has ended: its row, as far as a resume looks at all."""

    number: int
    key: str
    fingerprint: bytes | None
    state_number: int
    reason: str | None
    spec_json: str | None

    @property
    def spec(self) -> TaskSpec:
        return spec_from_json(self.key, self.spec_json)

    @property
    def state(self) -> State:
        return STATES[self.state_number]


class TaskEnding(NamedTuple):
    """How a task ended; there are a few dozen ways, and millions of tasks."""

    state: State
    verdict: Verdict
    provided: bool
    locks: Locks
    is_fresh: bool  #: it was sent back, and not submitted since
    has_result: bool  #: an attempt ended it
    has_more: bool  #: there is more to say of where it stands: a reason, counts


class _Endings(dict[int, TaskEnding]):
    def __missing__(self, number: int) -> TaskEnding:
        ending = self[number] = TaskEnding(
            STATES[number & 0xFF],
            VERDICTS[number >> 8 & 0xFF],
            bool(number >> 16 & 1),
            LOCKS[number >> 17 & 7],
            bool(number >> 20 & 1),
            bool(number >> 21 & 1),
            bool(number >> 22 & 1),
        )
        return ending


#: By the number that the columns of a row make together. Raises IndexError for what stands for no word.
ENDINGS = _Endings()


class EndedTask(NamedTuple):
    """A task that has ended, and what the attempt that ended it left."""

    number: int
    ending: TaskEnding
    attempt: int
    ended_seq: int  #: `seq` of the transition that ended it
    seconds: float | None
    withdrawn: int
    failures: int
    crashes: int
    reboots: int
    reason: str | None
    ret: str | None  #: JSON
    shared: str | None  #: JSON
    error: str | None  #: JSON
    output: str | None

    @property
    def restored(self) -> Restored:
        state, verdict, provided, locks, is_fresh, *_ = self.ending
        return Restored(
            self.number,
            state,
            self.attempt,
            self.withdrawn,
            self.failures,
            self.crashes,
            verdict,
            provided,
            locks,
            self.reason,
            is_fresh,
            self.reboots,
        )
