"""Who is under suspicion after a crash of the box, and who waits for a reboot: from the journal, and in words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from pexen_state.core.listing import listed
from pexen_state.core.states import State
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.ids import ids_of, task_base
from pexen_state.report.style import count
from pexen_state.report.text import cut, safe

Found = dict[str, Any]

_SUSPECTED = f"SELECT data FROM run_event WHERE run = ? AND kind = {int(EventKind.SUSPECTED)} ORDER BY seq DESC"
_KEY = "SELECT key FROM task WHERE id = ?"
_AWAITING = f"""
SELECT k.key, nullif(a.mark, ''), k.reboots FROM task k LEFT JOIN attempt a ON a.id = k.submitted
WHERE k.id BETWEEN ? AND ? AND k.state = {int(State.REBOOTING)} ORDER BY k.id
"""
_REBOOTING = f"""
SELECT EXISTS (SELECT 1 FROM run_event e WHERE e.run = ? AND e.kind = {int(EventKind.REBOOTING)} AND e.seq >=
  (SELECT max(first_seq) FROM session WHERE run = ?))
"""


class Suspects(NamedTuple):
    """Keys of those that have not come to an end of their own, in the order in which they are tried."""

    left: tuple[str, ...]
    of: int  #: how many there were when it began

    @property
    def nth(self) -> int:
        return self.of - len(self.left) + 1


def suspects_of(connection: sqlite3.Connection, run: int) -> Suspects | None:
    """None if nobody is under suspicion."""
    left: tuple[int, ...] | None = None
    all_of_them: set[int] = set()
    for (data,) in connection.execute(_SUSPECTED, (run,)).fetchall():
        tasks = tuple(_numbers(json.loads(data)["tasks"]))
        if not tasks:
            break
        left = tasks if left is None else left
        all_of_them.update(tasks)
    if not left:
        return None
    keys = [connection.execute(_KEY, (task_base(run) + number,)).fetchone() for number in left]
    return Suspects(tuple(key for (key,) in filter(None, keys)), len(all_of_them))


def _numbers(value: Any) -> Sequence[int]:
    from pexen_state.journal.values import from_json

    return [int(one) for one in from_json(value)]


def awaiting_of(connection: sqlite3.Connection, run: int) -> list[Found]:
    """Tasks that asked for a reboot which they have not had."""
    rows = connection.execute(_AWAITING, ids_of(run)).fetchall()
    return [{"task": key, "mark": mark, "reboots": reboots} for key, mark, reboots in rows]


def is_rebooting(connection: sqlite3.Connection, run: int) -> bool:
    """Whether the newest session of the run has begun to reboot the box."""
    return bool(connection.execute(_REBOOTING, (run, run)).fetchone()[0])


def in_words(suspects: Suspects, is_running: bool) -> str:
    """`trying 2 of 3 suspects: net/a`"""
    if is_running:
        return f"trying {suspects.nth} of {count(suspects.of, 'suspect')}: {_short(suspects.left[0])}"
    left = len(suspects.left)
    are = "goes first, alone" if left == 1 else "go first, one at a time"
    return f"{count(left, 'suspect')} {are}: {listed(list(map(_short, suspects.left)))}"


def awaiting_in_words(awaiting: Sequence[Found], rebooting: bool) -> str:
    """`net/a (mark step-2) waits for a reboot`, `the box is rebooted for net/a`"""
    marks = [f" (mark {_short(one['mark'])})" if one["mark"] else "" for one in awaiting]
    names = listed([f"{_short(one['task'])}{mark}" for one, mark in zip(awaiting, marks, strict=True)])
    if rebooting:
        return f"the box is rebooted for {names}"
    return f"{names} {'waits' if len(awaiting) == 1 else 'wait'} for a reboot"


def _short(text: str) -> str:
    return cut(safe(text), 200)
