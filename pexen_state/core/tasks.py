"""Where every task stands, in columns: one list for each fact, in which a task's number is its place.

A run may have a million tasks. An object for each costs more time and memory than all that happens to it, so there is
none: a `Task` is a look at one row of the columns, made when somebody wants it. Whoever looks cannot change anything;
the columns are written by `core.standing` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pexen_state.core.lock_queues import Requests
from pexen_state.core.spec import NOBODY, TaskSpec
from pexen_state.core.states import Locks, State, Verdict


class Tasks(Mapping[int, "Task"]):
    """All tasks of a run, by their numbers 1, 2, ... What few tasks have is kept in a dict, not in a list."""

    def __init__(self) -> None:
        self.specs: list[TaskSpec] = [NOBODY]
        self.requests: list[Requests] = [()]
        self.states: list[State] = [State.WAITING]
        self.attempts: list[int] = [0]
        self.verdicts: list[Verdict] = [Verdict.NONE]
        self.provided: list[bool] = [False]
        self.locks: list[Locks] = [Locks.FREED]
        self.ranks: list[int] = [0]
        self.fresh: list[bool] = [True]
        self.withdrawn: dict[int, int] = {}
        self.failures: dict[int, int] = {}
        self.crashes: dict[int, int] = {}
        self.reboots: dict[int, int] = {}
        self.reasons: dict[int, str] = {}

    def add(self, specs: Sequence[TaskSpec]) -> None:
        count = len(specs)
        self.specs += specs
        self.requests += [()] * count
        self.states += [State.WAITING] * count
        self.attempts += [0] * count
        self.verdicts += [Verdict.NONE] * count
        self.provided += [False] * count
        self.locks += [Locks.FREED] * count
        self.ranks += [0] * count
        self.fresh += [True] * count

    def __len__(self) -> int:
        return len(self.specs) - 1

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, len(self.specs)))

    def __getitem__(self, number: int) -> Task:
        if 0 < number < len(self.specs):
            return Task(self, number)
        raise KeyError(number)


class Task:
    """Where one task stands now. It is no snapshot: it says what holds when it is asked."""

    __slots__ = ("_all", "number")

    def __init__(self, tasks: Tasks, number: int) -> None:
        self._all = tasks
        self.number = number

    @property
    def spec(self) -> TaskSpec:
        return self._all.specs[self.number]

    @property
    def requests(self) -> Requests:
        """The locks that it wants."""
        return self._all.requests[self.number]

    @property
    def state(self) -> State:
        return self._all.states[self.number]

    @property
    def attempt(self) -> int:
        """The number of its latest attempt."""
        return self._all.attempts[self.number]

    @property
    def nth(self) -> int:
        """Which attempt that is, for the task and for people."""
        return self.attempt - self.withdrawn

    @property
    def withdrawn(self) -> int:
        """How many attempts never began; nobody counts them."""
        return self._all.withdrawn.get(self.number, 0)

    @property
    def failures(self) -> int:
        """How many failures were tried again."""
        return self._all.failures.get(self.number, 0)

    @property
    def crashes(self) -> int:
        """How many workers it took with it, and how often the box, as far as that is sure."""
        return self._all.crashes.get(self.number, 0)

    @property
    def reboots(self) -> int:
        """How many it asked for, since it last began from its beginning."""
        return self._all.reboots.get(self.number, 0)

    @property
    def verdict(self) -> Verdict:
        return self._all.verdicts[self.number]

    @property
    def provided(self) -> bool:
        """Whether it kept the promise of its `provides`."""
        return self._all.provided[self.number]

    @property
    def locks(self) -> Locks:
        return self._all.locks[self.number]

    @property
    def reason(self) -> str | None:
        return self._all.reasons.get(self.number)

    @property
    def rank(self) -> int:
        """When it ended, among those that ended; 0 before."""
        return self._all.ranks[self.number]

    @property
    def is_fresh(self) -> bool:
        """It was not submitted yet, or not since it was sent back."""
        return self._all.fresh[self.number]

    def facts(self) -> tuple[object, ...]:
        return (
            self.spec,
            self.state,
            self.attempt,
            self.withdrawn,
            self.failures,
            self.crashes,
            self.reboots,
            self.verdict,
            self.provided,
            self.locks,
            self.reason,
            self.is_fresh,
        )
