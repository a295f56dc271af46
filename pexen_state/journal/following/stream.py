"""What was decided in a run as one stream: every item has a position, and positions only grow.

`transition` is a task's change of state; the one that ends a task is followed by its `result`, with the same `seq`.
`event` is what was decided that is no task's state. `session` says when a life of the runner began and how it ended;
its `seq` is that of the last decision before.

An item is said as a dict, which is what `pexen events` prints as a line of JSON. It may gain fields; `schema` grows
when one changes its meaning.

Positions hold because one session at a time writes, and because the transaction that begins a session says how those
before it ended: whoever has seen a decision has seen every session that ended before it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from pexen_state.core.states import Cause, State, Verdict
from pexen_state.journal import queries
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.records import HowEnded

SCHEMA = 1  #: of every item

TYPES = ("transition", "result", "event", "session")

_PAGE_BYTES = 1 << 20  # of return values in one page

# Places among items of one `seq`.
_DECISION, _RESULT, _SESSIONS = 0, 1, 2

Found = dict[str, Any]

_FINAL = min(state for state in State if state.is_final)

# Words by number: of millions of items, calling the enum for each would be most of the work.
_STATES = {int(state): state.word for state in State}
_CAUSES = {int(cause): cause.word for cause in Cause}
_VERDICTS = {int(verdict): verdict.word if verdict else None for verdict in Verdict}


class Position(NamedTuple):
    seq: int
    nth: int  #: among the items of that `seq`


START = Position(0, -1)


def behind(seq: int) -> Position:
    """After every decision up to that one, and before what comes next."""
    return Position(seq, _RESULT) if seq else START


class Item(NamedTuple):
    position: Position
    said: Found
    at_us: int | None  #: of the decision; None for a session, which is none


_position_of = attrgetter("position")


class Page(NamedTuple):
    items: list[Item]
    reached: Position  #: where the next page goes on
    is_last: bool  #: there was nothing more


def page(connection: sqlite3.Connection, run: int, after: Position, limit: int) -> Page:
    """The next items of about so many decisions. To be asked within one transaction, so that nothing comes between."""
    seq = after.seq - (after.nth < _RESULT)
    changes, until = _changes(connection, run, seq, limit)
    events = connection.execute(queries.RUN_EVENTS, (run, seq, limit)).fetchall()
    if len(events) == limit:
        until = min(until or events[-1][0], events[-1][0])
    parts = _parts(connection, [change["opened"] for change in changes if change["opened"] is not None])
    items: list[Item] = []
    for change in changes:
        items.append(_step(run, change))
        if change["new"] >= _FINAL:
            items.append(_result(run, change, parts.get(change["opened"], [])))
    for at, kind, data, at_us in events:
        said = _said("event", at, run, kind=EventKind(kind).word, data=_json(data), at=_iso(at_us))
        items.append(Item(Position(at, _DECISION), said, at_us))
    items += _sessions(connection, run)
    if until is not None:
        items = [item for item in items if item.position.seq <= until]
    items = sorted((item for item in items if item.position > after), key=_position_of)
    decided = after if until is None else behind(until)
    return Page(items, max([after, decided, *(item.position for item in items[-1:])]), until is None)


def _changes(connection: sqlite3.Connection, run: int, after_seq: int, limit: int) -> tuple[list[Found], int | None]:
    """(transitions, the `seq` up to which they go if there may be more)."""
    cursor = connection.execute(queries.CHANGES_AND_RETURNED, queries.changes_of(connection, run, after_seq, limit))
    names = [column[0] for column in cursor.description]
    changes: list[Found] = []
    weight = 0
    for row in cursor:
        change = dict(zip(names, row, strict=True))
        changes.append(change)
        weight += len(change["ret"] or "")
        if weight > _PAGE_BYTES or len(changes) == limit:
            cursor.close()
            return changes, change["seq"]
    return changes, None


def item_at(connection: sqlite3.Connection, run: int, position: Position) -> Item | None:
    """The item at a position that was in a page before; None if the journal has it no more."""
    found = page(connection, run, Position(position.seq, position.nth - 1), 1).items
    return found[0] if found and found[0].position == position else None


def decided_at(connection: sqlite3.Connection, seq: int) -> int | None:
    """When a decision was written, in microseconds since 1970; None if the journal has none of that `seq`."""
    query = "SELECT at_us FROM transition WHERE seq = ? UNION ALL SELECT at_us FROM run_event WHERE seq = ?"
    found = connection.execute(query, (seq, seq)).fetchone()
    return None if found is None else int(found[0])


def _step(run: int, change: Found) -> Item:
    seq = change["seq"]
    said = _said("transition", seq, run, **_about(change), old=_STATES[change["old"]], new=_STATES[change["new"]])
    return Item(Position(seq, _DECISION), said, change["at_us"])


def _result(run: int, change: Found, parts: list[Found]) -> Item:
    seq = change["seq"]
    said = _said(
        "result",
        seq,
        run,
        **_about(change),
        state=_STATES[change["new"]],
        seconds=change["seconds"],
        exit_code=change["exit_code"],
        signal=change["signal"],
        output=change["output"],
        ret=_json(change["ret"]),
        results=parts,
    )
    return Item(Position(seq, _RESULT), said, change["at_us"])


def _about(change: Found) -> Found:
    return {
        "task": change["task"],
        "attempt": change["attempt"],
        "cause": _CAUSES[change["cause"]],
        "at": _iso(change["at_us"]),
        "reason": change["reason"],
        "verdict": _VERDICTS[change["verdict"]],
    }


def _parts(connection: sqlite3.Connection, opened: list[int]) -> dict[int, list[Found]]:
    """What attempts reported about their parts, by the `seq` that opened the attempt."""
    found: dict[int, list[Found]] = {}
    if not opened:
        return found
    asked = connection.execute(queries.PARTS, (min(opened), max(opened))).fetchall()
    for attempt, name, verdict, note, metrics, files, at_us in asked:
        told = {"name": name, "verdict": _VERDICTS[verdict], "note": note, "metrics": _json(metrics)}
        found.setdefault(attempt, []).append({**told, "files": _json(files), "at": _iso(at_us)})
    return found


def _sessions(connection: sqlite3.Connection, run: int) -> Iterator[Item]:
    for number, pid, first, last, began_us, ended_us, how in connection.execute(queries.LIVES, (run,)).fetchall():
        place = _SESSIONS + 2 * number
        about = {"session": number, "pid": pid}
        began = _said("session", first - 1, run, **about, how_ended=None, state="began", at=_iso(began_us))
        yield Item(Position(first - 1, place), began, None)
        if last is not None:
            how_ended = HowEnded(how).word if how is not None else None
            at = _iso(ended_us) if ended_us is not None else None
            ended = _said("session", last, run, **about, how_ended=how_ended, state="ended", at=at)
            yield Item(Position(last, place + 1), ended, None)


def _said(type_: str, seq: int, run: int, **rest: Any) -> Found:
    return {"schema": SCHEMA, "type": type_, "seq": seq, "run": run, **rest}


def _json(text: str | None) -> Any:
    """What was stored as JSON, as it is; text that is none stays text."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


@lru_cache(maxsize=64)  # what was decided in one turn has one time
def _iso(microseconds: int) -> str:
    """As the views have it."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06}Z"
