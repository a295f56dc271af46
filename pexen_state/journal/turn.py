"""A turn of the loop as rows: what each statement of its transaction is given. No SQL, no connection.

The hot path: hundreds of thousands of decisions a second go through `lay_out`, so nothing is made for one of them
but its row, and enums become plain ints by a look into a list (SQLite's driver takes seven times longer for an enum).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pexen_state.core.decisions import Added, Cancelled, Decision, GivenUp, Paused, Transition, Unlocked
from pexen_state.core.spec import Name
from pexen_state.core.states import FAILURES, Cause, State
from pexen_state.journal.ids import task_base
from pexen_state.journal.records import Beginning, EventKind, Left, NewTask
from pexen_state.journal.specs import spec_to_json, sql_text
from pexen_state.journal.values import to_json

Row = tuple[Any, ...]

_PLAIN = list(range(256))  # _PLAIN[enum] is the int, in a third of the time of int(enum)
_SUBMITTED, _RUNNING, _FINAL = int(State.SUBMITTED), int(State.RUNNING), int(State.SUCCEEDED)
_READY, _LOST, _WAITING = int(State.READY), int(State.LOST), int(State.WAITING)
_WITHDRAWN, _WORKER_DIED = int(Cause.WITHDRAWN), int(Cause.WORKER_DIED)
_FAILURES = frozenset(map(int, FAILURES))

# Between `waiting` and `ready` a task goes by what others do. That is implied and has no row, so each of the two in a
# transition may be either in the table.
_LOWEST = [_WAITING if state == _READY else state for state in range(len(State))]
_HIGHEST = [_READY if state == _WAITING else state for state in range(len(State))]

# Columns of a row of `transition`, by their place.
_SEQ, _TASK, _ATTEMPT, _BEFORE, _OLD, _NEW, _CAUSE, _VERDICT, _PROVIDED, _LOCKS, _REASON, _AT = range(12)


class Open(NamedTuple):
    """An attempt in flight."""

    attempt: int
    seq: int  #: of the transition that opened it
    at_us: int


@dataclass(slots=True)
class Memory:
    """What the writer remembers of the run, so that it need not ask the tables."""

    run: int
    seq: int  #: the last one that was used
    tasks: int = 0  #: how many the run has
    withdrawn: dict[int, int] = field(default_factory=dict)  #: of tasks that have any
    open: dict[int, Open] = field(default_factory=dict)  #: attempts in flight, by task


@dataclass(slots=True)
class Rows:
    transitions: list[Row] = field(default_factory=list)
    submits: list[Row] = field(default_factory=list)  #: projection: ready -> submitted
    finishes: list[Row] = field(default_factory=list)  #: projection: any -> final
    moves: list[Row] = field(default_factory=list)  #: projection: all else, and several steps of one task
    ends: list[Row] = field(default_factory=list)  #: attempts that left something
    closes: list[Row] = field(default_factory=list)  #: attempts that left nothing
    begins: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    unlocked: list[tuple[int, Name]] = field(default_factory=list)  #: (seq, lock)

    @property
    def projected(self) -> int:
        """How many rows of `task` must change."""
        return len(self.submits) + len(self.finishes) + len(self.moves)


def lay_out(
    decisions: Iterable[Decision],
    began: Iterable[Beginning],
    ended: Mapping[int, Left],
    memory: Memory,
    at_us: int,
    directory: str,
) -> Rows:
    """Rows of one turn. Paths below `directory` become relative to it. Brings `memory` up to date."""
    rows = Rows()
    moved: dict[int, Row] = {}
    again: dict[int, list[Row]] = {}
    base, withdrawn, flights, seq = task_base(memory.run), memory.withdrawn, memory.open, memory.seq
    plain, add = _PLAIN, rows.transitions.append
    for decision in decisions:
        seq += 1
        if not isinstance(decision, Transition):
            memory.seq = seq
            _event(decision, rows, memory, at_us)
            continue
        task, attempt, was, becomes, cause, verdict, provided, locks, reason = decision
        old, new = plain[was], plain[becomes]
        row = (
            seq,
            base + task,
            attempt,
            withdrawn.get(task, 0) if withdrawn else 0,
            old,
            new,
            plain[cause],
            plain[verdict],
            plain[provided],
            plain[locks],
            reason if reason is None else sql_text(reason),
            at_us,
        )
        add(row)
        if task in moved:
            again.setdefault(task, [moved[task]]).append(row)
        else:
            moved[task] = row
        if new == _SUBMITTED:
            flights[task] = Open(attempt, seq, at_us)
        elif _SUBMITTED <= old <= _RUNNING and new != _RUNNING:
            _end(flights.pop(task), seq, ended.get(task), rows, directory)
            if row[_CAUSE] == _WITHDRAWN:
                withdrawn[task] = withdrawn.get(task, 0) + 1
    memory.seq = seq
    _project(moved, again, rows)
    for one in began:
        flight = flights.get(one.task)
        if flight is not None and flight.attempt == one.attempt:
            rows.begins.append((flight.seq, one.worker, one.pid, one.at_us - flight.at_us))
    return rows


def _project(moved: Mapping[int, Row], again: Mapping[int, list[Row]], rows: Rows) -> None:
    """One change of `task` for each task, from the first old state to the last new one."""
    submit, finish = rows.submits.append, rows.finishes.append
    for task, row in moved.items():
        if again and task in again:
            rows.moves.append(_several(again[task]))
            continue
        new, attempt = row[_NEW], row[_ATTEMPT]
        if new == _SUBMITTED:
            submit((attempt, row[_SEQ], row[_LOCKS], row[_TASK], attempt - 1))
        elif new >= _FINAL:
            old = row[_OLD]
            finish(
                (
                    new,
                    row[_VERDICT],
                    row[_PROVIDED],
                    row[_LOCKS],
                    row[_REASON],
                    row[_SEQ],
                    row[_TASK],
                    _LOWEST[old],
                    _HIGHEST[old],
                    attempt,
                )
            )
        else:
            rows.moves.append(_several([row]))


def _several(steps: Sequence[Row]) -> Row:
    first, last = steps[0], steps[-1]
    back = [place for place, step in enumerate(steps) if step[_NEW] == _WAITING]
    kept = not back  # a task that was sent back begins anew: what counted before counts no more
    withdrawn = sum(step[_CAUSE] == _WITHDRAWN for step in steps)
    if back:
        steps = steps[back[-1] :]
    submitted = [step[_SEQ] for step in steps if step[_NEW] == _SUBMITTED]
    return (
        last[_NEW],
        last[_ATTEMPT],
        submitted[-1] if submitted else None,
        kept,
        last[_SEQ] if last[_NEW] >= _FINAL else None,
        withdrawn,
        kept,
        sum(step[_NEW] == _READY and step[_CAUSE] in _FAILURES for step in steps),
        kept,
        sum(step[_NEW] == _LOST and step[_CAUSE] == _WORKER_DIED for step in steps),
        last[_VERDICT],
        last[_PROVIDED],
        last[_LOCKS],
        last[_REASON],
        last[_TASK],
        _LOWEST[first[_OLD]],
        _HIGHEST[first[_OLD]],
        first[_ATTEMPT] - (first[_NEW] == _SUBMITTED),
    )


def _end(flight: Open, seq: int, left: Left | None, rows: Rows, directory: str) -> None:
    if left is None:
        rows.closes.append((flight.seq, seq))
        return
    began_us, seconds, output = left.began_us, left.seconds, left.output
    rows.ends.append(
        (
            flight.seq,
            seq,
            left.worker,
            left.pid,
            None if began_us is None else began_us - flight.at_us,
            None if seconds is None else round(seconds * 1_000_000),
            left.exit_code,
            left.signal,
            output if output is None else sql_text(output.removeprefix(directory)),
            left.ret_json,
            left.shared_json,
            left.error_json,
        )
    )


def _event(decision: Added | Paused | Unlocked | Cancelled | GivenUp, rows: Rows, memory: Memory, at_us: int) -> None:
    match decision:
        case Added(first, specs):
            count = len(specs)
            if memory.tasks != first + count - 1:
                raise ValueError(f"tasks up to {first + count - 1} are decided, but add_tasks() gave {memory.tasks}")
            rows.events.append(added_event(memory, first, count, at_us))
        case Paused():
            rows.events.append(_event_row(memory, EventKind.PAUSED, _fields(decision), at_us))
        case Cancelled():
            rows.events.append(_event_row(memory, EventKind.CANCELLED, _fields(decision), at_us))
        case GivenUp():
            rows.events.append(_event_row(memory, EventKind.GIVEN_UP, _fields(decision), at_us))
        case Unlocked(lock):
            rows.events.append(_event_row(memory, EventKind.UNLOCKED, _fields(decision), at_us))
            rows.unlocked.append((memory.seq, lock))


def _fields(decision: Paused | Unlocked | Cancelled | GivenUp) -> dict[str, Any]:
    return {name: to_json(value, f"{name} of {decision}") for name, value in decision._asdict().items()}


def _event_row(memory: Memory, kind: EventKind, data: dict[str, Any], at_us: int) -> Row:
    return memory.seq, memory.run, int(kind), json.dumps(data), at_us


def added_event(memory: Memory, first: int, count: int, at_us: int) -> Row:
    return _event_row(memory, EventKind.ADDED, {"first": first, "count": count}, at_us)


def task_rows(run: int, first: int, tasks: Iterable[NewTask]) -> Iterable[Row]:
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
        )
