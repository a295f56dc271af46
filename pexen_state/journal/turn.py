"""A turn of the loop as rows: what each statement of its transaction is given. No SQL, no connection.

The hot path: hundreds of thousands of decisions a second go through `lay_out`. What tells is that most of a turn is
alike, thousands of submissions and thousands of tasks that passed, so it is cut into stretches that differ by their
tasks alone: nothing is made for each of those decisions, and one statement writes them all. Short stretches become
rows, and so do tasks that moved more than once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pexen_state.core.decisions import (
    Added,
    Cancelled,
    Cleared,
    ConditionsDecided,
    Decision,
    Entered,
    Extended,
    Freeing,
    GivenUp,
    Intervention,
    Passing,
    Paused,
    Rebooting,
    Recovered,
    Suspected,
    Transition,
    Unlocked,
)
from pexen_state.core.states import CRASHES, FAILURES, Cause, State
from pexen_state.journal.errors import JournalError
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.ids import task_base
from pexen_state.journal.records import AttemptEnd, Beginning, Left, NewTask
from pexen_state.journal.specs import names_to_json, spec_to_json, sql_text
from pexen_state.journal.values import to_json

Row = tuple[Any, ...]
Flight = tuple[int, int, int]  #: an attempt: its number, the `seq` of the transition that opened it, and when in us

#: A statement for a stretch costs as much as so many rows.
WORTH_A_STATEMENT = 8

_PLAIN = list(range(256))  # _PLAIN[enum] is the int, in a third of the time of int(enum)
_SUBMITTED, _RUNNING, _FINAL = int(State.SUBMITTED), int(State.RUNNING), int(State.SUCCEEDED)
_READY, _LOST, _WAITING = int(State.READY), int(State.LOST), int(State.WAITING)
_REBOOTING, _WITHDRAWN = int(State.REBOOTING), int(Cause.WITHDRAWN)
_FAILURES, _CRASHES = frozenset(map(int, FAILURES)), frozenset(map(int, CRASHES))

# Between `waiting` and `ready` a task goes by what others do. That is implied and has no row, so each of the two in a
# transition may be either in the table.
_LOWEST = [_WAITING if state == _READY else state for state in range(len(State))]
_HIGHEST = [_READY if state == _WAITING else state for state in range(len(State))]

_NOTHING = AttemptEnd()
_NO_MORE = (None,) * 7  # beyond times

# Columns of a row of `transition`, by their place.
_SEQ, _TASK, _ATTEMPT, _BEFORE, _OLD, _NEW, _CAUSE, _VERDICT, _PROVIDED, _LOCKS, _REASON, _AT = range(12)


@dataclass(slots=True)
class Memory:
    """What the writer remembers of the run, so that it need not ask the tables."""

    run: int
    seq: int  #: the last one that was used
    tasks: int = 0  #: how many the run has
    withdrawn: dict[int, int] = field(default_factory=dict)  #: of tasks that have any
    open: dict[int, Flight] = field(default_factory=dict)  #: attempts in flight, by task
    begun: set[int] = field(default_factory=set)  #: tasks in flight whose attempt has a row
    reboots: dict[int, int] = field(default_factory=dict)  #: of tasks that asked for any
    marks: dict[int, str] = field(default_factory=dict)  #: what those want to be told

    def rebooted(self, task: int, left: Left | None) -> None:
        """A task asked for a reboot."""
        self.reboots[task] = self.reboots.get(task, 0) + 1
        self.marks[task] = left.mark or "" if left is not None else ""

    def begins_anew(self, task: int) -> None:
        self.reboots.pop(task, None)
        self.marks.pop(task, None)


class Stretch(NamedTuple):
    """Transitions that follow each other and differ by their task alone."""

    seq: int  #: of the first
    step: Row  #: the columns that they share: `_ATTEMPT` to `_REASON`
    tasks: list[int]

    @property
    def last_seq(self) -> int:
        return self.seq + len(self.tasks) - 1

    @property
    def submits(self) -> bool:
        return bool(self.step[_NEW - _ATTEMPT] == _SUBMITTED)

    @property
    def finishes(self) -> bool:
        return bool(self.step[_NEW - _ATTEMPT] >= _FINAL)

    @property
    def old_range(self) -> tuple[int, int]:
        """The states that the tasks may be in before, from and to."""
        old = self.step[_OLD - _ATTEMPT]
        return _LOWEST[old], _HIGHEST[old]

    @property
    def is_series(self) -> bool:
        """Whether each task's number is one more than the one before."""
        return self.tasks == list(range(self.tasks[0], self.tasks[0] + len(self.tasks)))

    @property
    def attempt(self) -> int:
        return int(self.step[0])

    @property
    def locks(self) -> int:
        return int(self.step[_LOCKS - _ATTEMPT])

    def as_json(self) -> str:
        return json.dumps(self.tasks)


@dataclass(slots=True)
class Rows:
    base: int  #: what to add to a task's number
    at_us: int
    alike: list[Stretch] = field(default_factory=list)  #: transitions and projection by a statement each
    transitions: list[Row] = field(default_factory=list)  #: all others
    submits: list[Row] = field(default_factory=list)  #: projection: ready -> submitted
    finishes: list[Row] = field(default_factory=list)  #: projection: any -> final
    moves: list[Row] = field(default_factory=list)  #: projection: all else, and several steps of one task
    begins: list[Row] = field(default_factory=list)
    ends: list[Row] = field(default_factory=list)  #: attempts that left no more than times
    full_ends: list[Row] = field(default_factory=list)  #: attempts that left more
    begun_ends: list[Row] = field(default_factory=list)  #: attempts whose beginning was written
    results: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    freed: list[tuple[int, Freeing]] = field(default_factory=list)  #: (seq, what frees a lock)
    cleared: list[Row] = field(default_factory=list)  #: tasks whose dirty locks a boot cleared

    @property
    def projected(self) -> int:
        """How many rows of `task` must change."""
        alike = sum(len(stretch.tasks) for stretch in self.alike)
        return alike + len(self.submits) + len(self.finishes) + len(self.moves)

    def all_transitions(self) -> Iterator[Row]:
        yield from self.transitions
        for stretch in self.alike:
            for seq, task in enumerate(stretch.tasks, stretch.seq):
                yield (seq, self.base + task, *stretch.step, self.at_us)


def lay_out(
    decisions: Iterable[Decision],
    began: Iterable[Beginning],
    ended: Mapping[int, Left],
    memory: Memory,
    at_us: int,
    directory: str,
) -> Rows:
    """Rows of one turn. Paths below `directory` become relative to it. Brings `memory` up to date."""
    rows = Rows(task_base(memory.run), at_us)
    stretches: list[Stretch] = []
    withdrawn, reboots, flights, seq = memory.withdrawn, memory.reboots, memory.open, memory.seq
    how: Row | None = None  # what the stretch has in common
    before = 0  # how many of the task's attempts were withdrawn
    for decision in decisions:
        seq += 1
        if not isinstance(decision, Transition):
            memory.seq = seq
            how = None
            _event(decision, rows, memory, at_us)
            continue
        task = decision[0]
        if decision[1:] != how or (withdrawn and withdrawn.get(task, 0) != before):
            how, before = decision[1:], withdrawn.get(task, 0)
            step = _step(decision, before)
            attempt, _, old, new, cause = step[:5]
            opens = new == _SUBMITTED
            ends = _SUBMITTED <= old <= _RUNNING and new != _RUNNING
            tasks: list[int] = []
            stretches.append(Stretch(seq, step, tasks))
        tasks.append(task)
        if opens:
            flights[task] = (attempt, seq, at_us)
        elif ends:
            _end(task, flights.pop(task), seq, ended.get(task), rows, memory, directory)
            if cause == _WITHDRAWN:
                withdrawn[task] = before + 1
            elif new == _REBOOTING:
                memory.rebooted(task, ended.get(task))
            elif reboots and new == _READY:  # a failure, that is to be tried again
                memory.begins_anew(task)
        elif reboots and new == _WAITING:  # sent back
            memory.begins_anew(task)
    memory.seq = seq
    _divide(stretches, rows)
    _begin(began, rows, memory)
    rows.ends.sort()  # as they were opened: rows that are appended fill their pages
    return rows


def _step(decision: Transition, withdrawn: int) -> Row:
    """What a stretch has in common, as columns."""
    _, attempt, old, new, cause, verdict, provided, locks, reason = decision
    plain = _PLAIN
    return (
        attempt,
        withdrawn,
        plain[old],
        plain[new],
        plain[cause],
        plain[verdict],
        plain[provided],
        plain[locks],
        reason if reason is None else sql_text(reason),
    )


def _divide(stretches: Sequence[Stretch], rows: Rows) -> None:
    """What is worth a statement of its own, and what becomes rows. One change of `task` for each task."""
    again = _moved_again(stretches)
    base, at_us = rows.base, rows.at_us
    for stretch in stretches:
        if (
            len(stretch.tasks) >= WORTH_A_STATEMENT
            and (stretch.submits or stretch.finishes)
            and again.keys().isdisjoint(stretch.tasks)
        ):
            rows.alike.append(stretch)
            continue
        step = stretch.step
        for seq, task in enumerate(stretch.tasks, stretch.seq):
            row = (seq, base + task, *step, at_us)
            rows.transitions.append(row)
            if task in again:
                again[task].append(row)
            else:
                _project(row, rows)
    rows.moves.extend(map(_several, again.values()))


def _moved_again(stretches: Iterable[Stretch]) -> dict[int, list[Row]]:
    """The tasks that are in more than one stretch, or twice in one; with room for their rows."""
    moved = [task for stretch in stretches for task in stretch.tasks]
    if len(set(moved)) == len(moved):
        return {}
    return {task: [] for task, times in Counter(moved).items() if times > 1}


def _project(row: Row, rows: Rows) -> None:
    """The change of a task that moved once."""
    seq, task, attempt, _, old, new, _, verdict, provided, locks, reason, _ = row
    if new == _SUBMITTED:
        rows.submits.append((attempt, seq, locks, task, attempt - 1))
    elif new >= _FINAL:
        rows.finishes.append((new, verdict, provided, locks, reason, seq, task, _LOWEST[old], _HIGHEST[old], attempt))
    else:
        rows.moves.append(_several([row]))


def _several(steps: Sequence[Row]) -> Row:
    """The change of a task from the first old state to the last new one."""
    first, last = steps[0], steps[-1]
    back = [place for place, step in enumerate(steps) if step[_NEW] == _WAITING]
    kept = not back  # a task that was sent back begins anew: what counted before counts no more
    withdrawn = sum(step[_CAUSE] == _WITHDRAWN for step in steps)
    if back:
        steps = steps[back[-1] :]
    failed = [place for place, step in enumerate(steps) if step[_NEW] == _READY and step[_CAUSE] in _FAILURES]
    submitted = [step[_SEQ] for step in steps if step[_NEW] == _SUBMITTED]
    return (
        last[_NEW],
        last[_ATTEMPT],
        submitted[-1] if submitted else None,
        kept,
        last[_SEQ] if last[_NEW] >= _FINAL else None,
        withdrawn,
        kept,
        len(failed),
        kept,
        sum(step[_NEW] == _LOST and step[_CAUSE] in _CRASHES for step in steps),
        kept and not failed,
        sum(step[_NEW] == _REBOOTING for step in steps[failed[-1] if failed else 0 :]),
        last[_VERDICT],
        last[_PROVIDED],
        last[_LOCKS],
        last[_REASON],
        last[_TASK],
        _LOWEST[first[_OLD]],
        _HIGHEST[first[_OLD]],
        first[_ATTEMPT] - (first[_NEW] == _SUBMITTED),
    )


def _end(task: int, flight: Flight, seq: int, left: Left | None, rows: Rows, memory: Memory, directory: str) -> None:
    _, opened, opened_us = flight
    is_begun = task in memory.begun
    reboots = memory.reboots.get(task) if memory.reboots else None
    if left is None:
        if not is_begun and reboots is None:
            rows.ends.append((opened, seq, None, None, None, None))
            return
        left = _NOTHING
    if left.results:
        rows.results += [
            (
                opened,
                sql_text(one.name),
                int(one.verdict),
                one.note and sql_text(one.note),
                json.dumps(one.metrics) if one.metrics else None,
                json.dumps(one.files) if one.files else None,
                rows.at_us,
            )
            for one in left.results
        ]
    began_us, seconds, output = left.began_us, left.seconds, left.output
    wait_us = None if began_us is None else began_us - opened_us
    took_us = None if seconds is None else round(seconds * 1_000_000)
    more = (left.exit_code, left.signal, output, left.ret_json, left.shared_json, left.error_json, reboots)
    mark = memory.marks.get(task) if left.mark is None else left.mark  # who crashed is told again
    if not is_begun and mark is None and more == _NO_MORE:
        rows.ends.append((opened, seq, left.worker, left.pid, wait_us, took_us))
        return
    times = (seq, left.worker, left.pid, wait_us, took_us)
    if output is not None:
        more = (*more[:2], sql_text(output.removeprefix(directory)), *more[3:])
    if is_begun:
        memory.begun.remove(task)
        rows.begun_ends.append((*times, *more, mark, opened))
    else:
        rows.full_ends.append((opened, *times, *more, mark))


def _begin(began: Iterable[Beginning], rows: Rows, memory: Memory) -> None:
    for one in began:
        flight = memory.open.get(one.task)
        if flight is not None and flight[0] == one.attempt and one.task not in memory.begun:
            _, opened, opened_us = flight
            memory.begun.add(one.task)
            rows.begins.append((opened, one.worker, one.pid, one.at_us - opened_us))


def _event(decision: Added | Passing | Intervention, rows: Rows, memory: Memory, at_us: int) -> None:
    match decision:
        case Added(first, specs, by, calls):
            count = len(specs)
            if memory.tasks < first + count - 1:  # others may follow in the same turn
                raise ValueError(f"tasks up to {first + count - 1} are decided, but add_tasks() gave {memory.tasks}")
            rows.events.append(added_event(memory, first, count, at_us, by, calls))
        case _:
            rows.events.append(_event_row(memory, _KINDS[type(decision)], _fields(decision), at_us))
            if isinstance(decision, Freeing):
                rows.freed.append((memory.seq, decision))
            elif isinstance(decision, Cleared):
                rows.cleared += [(rows.base + task,) for task in decision.tasks]


_KINDS: dict[type, EventKind] = {
    Paused: EventKind.PAUSED,
    Unlocked: EventKind.UNLOCKED,
    Cancelled: EventKind.CANCELLED,
    GivenUp: EventKind.GIVEN_UP,
    Suspected: EventKind.SUSPECTED,
    Rebooting: EventKind.REBOOTING,
    Recovered: EventKind.RECOVERED,
    Cleared: EventKind.CLEARED,
    ConditionsDecided: EventKind.CONDITIONS,
    Entered: EventKind.ENTERED,
    Extended: EventKind.EXTENDED,
}


def _fields(decision: Passing | Intervention) -> dict[str, Any]:
    return {name: to_json(value, f"{name} of {decision}") for name, value in decision._asdict().items()}


def _event_row(memory: Memory, kind: EventKind, data: dict[str, Any], at_us: int) -> Row:
    return memory.seq, memory.run, int(kind), json.dumps(data), at_us


def added_event(
    memory: Memory, first: int, count: int, at_us: int, by: int | None = None, calls: Sequence[str] = ()
) -> Row:
    data: dict[str, Any] = {"first": first, "count": count}
    if by is not None:
        data["by"] = by
    if calls:
        data["calls"] = list(calls)
    return _event_row(memory, EventKind.ADDED, data, at_us)


def join(memory: Memory, first_number: int, tasks: Sequence[NewTask]) -> Iterable[Row]:
    """Rows of tasks that join the run; the memory counts them at once."""
    if first_number != memory.tasks + 1:
        raise ValueError(f"the run has {memory.tasks} tasks, so the next one is not {first_number}")
    if memory.tasks + len(tasks) >= task_base(1):
        raise JournalError(f"a run holds at most {task_base(1) - 1} tasks. Make several runs of them.")
    memory.tasks += len(tasks)
    return _task_rows(memory.run, first_number, tasks)


def _task_rows(run: int, first: int, tasks: Iterable[NewTask]) -> Iterable[Row]:
    """Rows of tasks that join a run. One that waits for nothing is ready at once: so says the plan, too."""
    for row_id, (spec, fingerprint) in enumerate(tasks, task_base(run) + first):
        waits = spec.requires or spec.requires_all or spec.after
        yield (
            row_id,
            _WAITING if waits else _READY,
            sql_text(spec.key),
            spec.priority,
            spec_to_json(spec),
            fingerprint,
            names_to_json(spec.tags) if spec.tags else None,
            sql_text(spec.group) if spec.group is not None else None,
        )
