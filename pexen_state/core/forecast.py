"""A run in thought: which task would begin when, on so many workers, if every task passed in its usual time.

The plan is the real one, so dependencies, locks, priorities and the order are those of a run; the pool and the clock
are not. Nothing is started and nothing is read: the times come from whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

from pexen_state.core.commands import Enter, Submit
from pexen_state.core.decisions import Transition
from pexen_state.core.deps import Gate
from pexen_state.core.groups import group_text
from pexen_state.core.inputs import Ending, Finished, Input, PoolHasRoom, RunOpened
from pexen_state.core.lock_queues import Request
from pexen_state.core.locks import is_above
from pexen_state.core.plan import Plan, Turn
from pexen_state.core.spec import Name, TaskSpec
from pexen_state.core.standstill import Never
from pexen_state.core.states import Cause, Verdict

_PASSED = Ending(Cause.RETURNED, Verdict.PASS)


class Begin(NamedTuple):
    """One task, from when to when. In the seconds of whoever asked, from the begin of the run."""

    task: int
    at: float
    ends: float


class Because(NamedTuple):
    """What a task on the critical path had waited for."""

    task: int  #: whose end let it begin
    name: Name  #: the name that was provided, the glob that it comes after, or the lock
    is_lock: bool


class Step(NamedTuple):
    begin: Begin
    because: Because | None  #: None: it waits for nobody


class Forecast:
    """What would happen. Task n is `specs[n - 1]`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.begins: list[Begin] = []  #: in the order in which they begin
        self.never: list[Never] = []  #: what could not run even if nothing failed
        self.in_the_end: list[int] = []  #: tasks in the order in which they end

    @property
    def seconds(self) -> float:
        return max((begin.ends for begin in self.begins), default=0.0)

    @property
    def switches(self) -> int:
        """How often a task begins that is of another group than the one before it."""
        specs = self.plan.tasks.specs
        groups = [specs[begin.task].group for begin in self.begins]
        return sum(one != other for one, other in pairwise(groups))

    def waves(self) -> list[list[int]]:
        """Tasks that begin at the same time, together."""
        waves: list[list[int]] = []
        at = -1.0
        for begin in self.begins:
            if begin.at != at:
                waves.append([])
                at = begin.at
            waves[-1].append(begin.task)
        return waves


def forecast(
    specs: Sequence[TaskSpec],
    seconds: Sequence[float],
    workers: int | None = None,
    before: Sequence[Input] = (),
    resources: Mapping[str, int] | None = None,
    groups: Mapping[str, int] | None = None,
    order: Sequence[int] | None = None,
) -> Forecast:
    """Run the tasks in thought. `seconds` of each; `workers` None: as many as there are tasks. `before` is what is
    known of them already, such as that some do not apply here. `groups` have other numbers of workers.
    `order` is that of `Plan`.
    """
    room = usual = workers or max(len(specs), 1)
    told = Forecast(Plan(specs, resources=resources, order=order))
    plan = told.plan
    ends: list[tuple[float, int, int, int]] = []  # (when, order of the begin, task, attempt)
    turn, now = plan.handle(*before, RunOpened(), PoolHasRoom(room)), 0.0
    while True:
        told.never += _never(turn)
        has_entered = False
        for command in turn.commands:
            if isinstance(command, Submit):
                end = now + seconds[command.task - 1]
                heappush(ends, (end, len(told.begins), command.task, command.attempt))
                told.begins.append(Begin(command.task, now, end))
            elif isinstance(command, Enter):
                room = usual if command.group is None or workers is None else (groups or {}).get(command.group, usual)
                has_entered = True
        if not ends and not has_entered:
            return told
        now = ends[0][0] if ends else now
        ended = []
        while ends and ends[0][0] <= now:
            _, _, task, attempt = heappop(ends)
            ended.append(Finished(task, attempt, _PASSED))
            told.in_the_end.append(task)
        turn = plan.handle(*ended, PoolHasRoom(room - len(plan.in_flight) + len(ended)))


def _never(turn: Turn) -> Iterator[Never]:
    for decision in turn.decisions:
        if type(decision) is Transition and decision.verdict in (Verdict.NOT_RUN, Verdict.SKIP):
            yield Never(decision.task, decision.cause, decision.reason or "")


def critical_path(told: Forecast) -> list[Step]:
    """The chain of tasks that decides when the last one ends, from its first. Of a forecast with workers for all."""
    if not told.begins:
        return []
    begins = {begin.task: begin for begin in told.begins}
    ended_at: dict[float, list[int]] = {}
    for begin in told.begins:
        ended_at.setdefault(begin.ends, []).append(begin.task)
    last: dict[int, int] = {}  # of gates: by id, who of its providers ends last
    rank = {task: number for number, task in enumerate(told.in_the_end)}
    path: list[Step] = []
    task: int | None = told.in_the_end[-1]
    while task is not None:
        begin = begins[task]
        because = _because(told.plan, begin, begins, ended_at.get(begin.at, []), rank, last) if begin.at else None
        path.append(Step(begin, because))
        task = because.task if because is not None else None
    return path[::-1]


def _because(
    plan: Plan,
    begin: Begin,
    begins: dict[int, Begin],
    ended_then: list[int],
    rank: dict[int, int],
    last: dict[int, int],
) -> Because | None:
    waits = plan.deps[begin.task]

    def last_of(gate: Gate) -> int | None:
        if id(gate) not in last:
            ran = [one for one in gate.providers if one in rank]
            if not ran:
                return None
            last[id(gate)] = max(ran, key=rank.__getitem__)
        return last[id(gate)]

    for gate in waits.requires:
        if gate.kept and begins[gate.kept[0]].ends == begin.at:
            return Because(gate.kept[0], gate.label, False)
    for gate in (*waits.requires_all, *waits.after):
        other = last_of(gate)
        if other is not None and begins[other].ends == begin.at:
            return Because(other, gate.label, False)
    mine = plan.tasks[begin.task].requests
    group = plan.tasks[begin.task].spec.group
    for other in ended_then:
        if plan.tasks[other].spec.group != group:
            return Because(other, group_text(group), False)
        for request in mine:
            for theirs in plan.tasks[other].requests:
                if _in_the_way(request, theirs) and begins[other].at < begin.at:
                    return Because(other, theirs.lock.name, True)
    return None


def _in_the_way(mine: Request, theirs: Request) -> bool:
    name, other = mine.lock.name, theirs.lock.name
    return (mine.write or theirs.write) and (name == other or is_above(name, other) or is_above(other, name))
