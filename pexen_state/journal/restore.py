"""What a journal says about a run, for whoever goes on with it: the projection, every decision.

Works on any connection: `Fetch` runs a query and returns all of its rows. What may be long is read in pages, so that
no cursor stays open over a write. (What a resume reads is in `resuming`.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from pexen_state.core.decisions import (
    Added,
    Cancelled,
    Cleared,
    ConditionsDecided,
    Decision,
    Entered,
    Extended,
    GivenUp,
    Intervention,
    Paused,
    Rebooting,
    Recovered,
    Suspected,
    Transition,
    Unlocked,
)
from pexen_state.core.states import Cause, Verdict
from pexen_state.journal.errors import JournalError
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.ids import ids_of, task_base
from pexen_state.journal.records import (
    LOCKS,
    STATES,
    VERDICTS,
    HowEnded,
    RecordedTask,
    RunRecord,
    RunState,
    SavedTask,
)
from pexen_state.journal.specs import exact_key, spec_from_json
from pexen_state.journal.values import from_json

Row = tuple[Any, ...]
Fetch = Callable[[str, Row], list[Row]]
OfTask = TypeVar("OfTask", SavedTask, RecordedTask)

_INTERVENTIONS: dict[int, Callable[..., Intervention]] = {
    EventKind.UNLOCKED: Unlocked,
    EventKind.CANCELLED: Cancelled,
    EventKind.GIVEN_UP: GivenUp,
    EventKind.SUSPECTED: Suspected,
    EventKind.REBOOTING: Rebooting,
    EventKind.RECOVERED: Recovered,
    EventKind.CONDITIONS: ConditionsDecided,
    EventKind.ENTERED: Entered,
}

_PAGE = 5000

_RUN = """
SELECT id, uuid, name, recorded, shared, state, verdict, began_us,
  (SELECT how_ended FROM session WHERE run = run.id ORDER BY id DESC LIMIT 1),
  (SELECT count(*) FROM session WHERE run = run.id)
FROM run
"""

#: Of runs that came to their end, and asked for something to follow it, which has not been done. A clause for `runs`.
OWED = f"""
state IN ({int(RunState.FINISHED)}, {int(RunState.CANCELLED)}) AND recorded LIKE '%"on_finish": "%'
AND NOT EXISTS (SELECT 1 FROM run_event e WHERE e.run = run.id AND e.kind = {int(EventKind.FOLLOWED)})
"""

TASKS = """
SELECT id - ?, key, fingerprint, state, attempt, withdrawn, failures, crashes, verdict, provided, locks, reason,
  ended, spec, submitted, reboots
FROM task WHERE id BETWEEN ? AND ?
"""

_TRANSITIONS = """
SELECT seq, task, attempt, old, new, cause, verdict, provided, locks, reason
FROM transition WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?
"""

# What was done after the end of a run tells nothing of how it stands.
_EVENTS = f"SELECT seq, kind, data FROM run_event WHERE run = ? AND kind <> {int(EventKind.FOLLOWED)} ORDER BY seq"
_SPECS = "SELECT key, spec FROM task WHERE id BETWEEN ? AND ? ORDER BY id"
RANGES = "SELECT first_seq - 1, coalesce(last_seq, 9223372036854775807) FROM session WHERE run = ? ORDER BY id"


def runs(fetch: Fetch, where: str, params: Row) -> list[RunRecord]:
    """Runs, newest first. `where` is SQL of ours, never of a user."""
    return [
        RunRecord(
            run,
            uuid,
            name,
            *_recorded(recorded),
            shared,
            RunState(state),
            Verdict(verdict),
            began_us,
            None if how is None else HowEnded(how),
            sessions,
        )
        for run, uuid, name, recorded, shared, state, verdict, began_us, how, sessions in fetch(
            f"{_RUN} WHERE {where} ORDER BY id DESC", params
        )
    ]


def _recorded(text: str) -> tuple[Any, dict[str, Any]]:
    said = json.loads(text)
    return said["target"], said["options"]


def saved_tasks(fetch: Fetch, run: int) -> list[SavedTask]:
    """Every task of the run: first those that have ended, in the order in which they did, then the others."""
    saved = saved_from(fetch(f"{TASKS} ORDER BY id", (task_base(run), *ids_of(run))))
    ended = [task for task in saved if task.ended_seq is not None]
    ended.sort(key=attrgetter("ended_seq"))
    return ended + [task for task in saved if task.ended_seq is None]


def saved_from(rows: Iterable[Row]) -> list[SavedTask]:
    """Of rows of `TASKS`."""
    saved = with_exact_keys(map(SavedTask._make, rows))
    _make_sense({task.state_number for task in saved}, STATES)
    _make_sense({task.verdict_number for task in saved}, VERDICTS)
    _make_sense({task.locks_number for task in saved}, LOCKS)
    return saved


def with_exact_keys(rows: Iterable[OfTask]) -> list[OfTask]:
    """Rows of tasks; the column of keys has what text can hold, and the spec the rest."""
    tasks = list(rows)
    for at, task in enumerate(tasks):
        if task.spec_json is not None and (key := exact_key(task.key, task.spec_json)) is not task.key:
            tasks[at] = task._replace(key=key)
    return tasks


def _make_sense(numbers: Iterable[int], words: Sequence[object]) -> None:
    """Raises IndexError for a number that stands for no word. Looked at now, for they are made words much later."""
    for number in numbers:
        words[number]


def decisions(fetch: Fetch, run: int) -> Iterator[Decision]:
    """Every decision of the run, in order. `Added` comes with the specs as they were recorded."""
    for _, decision in numbered_decisions(fetch, run):
        yield decision


def numbered_decisions(fetch: Fetch, run: int) -> Iterator[tuple[int, Decision]]:
    """The same, each with its `seq`."""
    events = fetch(_EVENTS, (run,))
    at = 0
    for seq, transition in _transitions(fetch, run):
        while at < len(events) and events[at][0] < seq:
            yield events[at][0], _event(fetch, run, *events[at][1:])
            at += 1
        yield seq, transition
    for event in events[at:]:
        yield event[0], _event(fetch, run, *event[1:])


def interventions(fetch: Fetch, run: int) -> list[tuple[int, Intervention]]:
    """What was decided about the run and is no task's state, each with its `seq`."""
    rows = fetch(_EVENTS, (run,))
    return [(seq, _INTERVENTIONS[kind](**_fields(data))) for seq, kind, data in rows if kind in _INTERVENTIONS]


def _fields(data: str) -> dict[str, Any]:
    return {name: from_json(value) for name, value in json.loads(data).items()}


def _transitions(fetch: Fetch, run: int) -> Iterator[tuple[int, Transition]]:
    base = task_base(run)
    for first, last in fetch(RANGES, (run,)):
        at = first
        while page := fetch(_TRANSITIONS, (at, last, _PAGE)):
            at = page[-1][0]
            for seq, task, attempt, old, new, cause, verdict, provided, locks, reason in page:
                yield (
                    seq,
                    Transition(
                        task - base,
                        attempt,
                        STATES[old],
                        STATES[new],
                        Cause(cause),
                        VERDICTS[verdict],
                        provided == 1,
                        LOCKS[locks],
                        reason,
                    ),
                )


def _event(fetch: Fetch, run: int, kind: int, data: str) -> Decision:
    said = _fields(data)
    match kind:
        case EventKind.ADDED:
            first, count = said["first"], said["count"]
            base = task_base(run)
            rows = fetch(_SPECS, (base + first, base + first + count - 1))
            specs = tuple(spec_from_json(key, spec) for key, spec in rows)
            return Added(first, specs, said.get("by"), tuple(said.get("calls", ())))
        case EventKind.PAUSED:
            return Paused(**said)
        case EventKind.CLEARED:
            return Cleared(**said)
        case EventKind.EXTENDED:
            return Extended(**said)
        case _ if kind in _INTERVENTIONS:
            return _INTERVENTIONS[kind](**said)
        case _:
            raise JournalError(f"run {run} holds a run event of an unknown kind, {kind}. A newer pexen wrote it.")
