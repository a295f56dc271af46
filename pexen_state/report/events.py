"""Decisions of a run as JSON lines, for other programs: one object a line, ASCII, in the order in which they were made.

A line of type `transition` is a task's change of state; the one that ends a task is followed by its `result`, with the
same `seq`. `event` is what was decided that is no task's state. `session` says when a life of the runner began and how
it ended; of these, `seq` is the last decision before.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pexen_state.core.states import Cause, State, Verdict
from pexen_state.journal import queries
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.records import HowEnded
from pexen_state.report.tables import SCHEMA
from pexen_state.report.text import safe_json

Found = dict[str, Any]

_PAGE = 2000


class Events:
    """Gives each event of a run once. `seq` is that of the last one given."""

    def __init__(self, run: int, after: int = 0) -> None:
        self.run = run
        self.seq = after
        self._told: set[tuple[int, bool]] = set()  # sessions: (id, whether its end)

    def new(self, connection: sqlite3.Connection) -> Iterator[str]:
        """What was decided since, as lines. One page at a time is in memory."""
        while page := self._page(connection):
            yield from (self._line(one) for one in page)
        yield from (self._line(one) for one in self._sessions(connection, None))

    def _page(self, connection: sqlite3.Connection) -> list[Found]:
        """The next decisions, with the sessions that began or ended before them."""
        changes = queries.changes(connection, self.run, self.seq, _PAGE)
        until = changes[-1]["seq"] if len(changes) == _PAGE else None
        found = [event for change in changes for event in _of_change(change)]
        for seq, kind, data, at_us in connection.execute(queries.RUN_EVENTS, (self.run, self.seq)).fetchall():
            if until is None or seq <= until:
                said = {"kind": EventKind(kind).word, "data": json.loads(data), "at": _at(at_us)}
                found.append({"type": "event", "seq": seq, **said})
        if not found:
            return []
        found.sort(key=lambda event: event["seq"])  # stable: a result stays behind its transition
        last = found[-1]["seq"]
        found += self._sessions(connection, last)
        found.sort(key=lambda event: event["seq"] + (0.5 if event["type"] == "session" else 0))
        self.seq = last
        return found

    def _sessions(self, connection: sqlite3.Connection, until: int | None) -> list[Found]:
        """Begins and ends of sessions that have not been told, up to a decision."""
        found = []
        for number, pid, first, last, began_us, ended_us, how in connection.execute(
            queries.LIVES, (self.run,)
        ).fetchall():
            began = {"type": "session", "seq": first - 1, "session": number, "pid": pid, "how_ended": None}
            if first > self.seq and (until is None or first - 1 <= until) and (number, False) not in self._told:
                self._told.add((number, False))
                found.append({**began, "state": "began", "at": _at(began_us)})
            if last is None or last < self.seq or (until is not None and last > until) or (number, True) in self._told:
                continue
            self._told.add((number, True))
            how_ended = HowEnded(how).word if how is not None else None
            at = _at(ended_us) if ended_us is not None else None
            found.append({**began, "seq": last, "state": "ended", "how_ended": how_ended, "at": at})
        return found

    def _line(self, event: Found) -> str:
        kind, seq = event.pop("type"), event.pop("seq")
        return safe_json(json.dumps({"schema": SCHEMA, "type": kind, "seq": seq, "run": self.run, **event}))


def _of_change(change: Found) -> Iterator[Found]:
    new, verdict = State(change["new"]), Verdict(change["verdict"])
    about = {
        "seq": change["seq"],
        "task": change["task"],
        "attempt": change["attempt"],
        "cause": Cause(change["cause"]).word,
        "at": _at(change["at_us"]),
        "reason": change["reason"],
        "verdict": verdict.word if verdict else None,
    }
    yield {"type": "transition", **about, "old": State(change["old"]).word, "new": new.word}
    if new.is_final:
        ended = {name: change[name] for name in ("seconds", "exit_code", "signal", "output")}
        yield {"type": "result", **about, "state": new.word, **ended}


def _at(microseconds: int) -> str:
    """As the views have it."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06}Z"
