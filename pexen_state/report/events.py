"""Events as lines of JSON, for other programs: one object a line, ASCII.

What is in them is up to `journal.following.stream`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Container, Iterator
from typing import Any

from pexen_state.journal.following.stream import TYPES, behind, page
from pexen_state.report.text import safe_json

_PAGE = 2000


def line(said: dict[str, Any]) -> str:
    return safe_json(json.dumps(said))


class Lines:
    """Gives each item of a run once, to somebody who looks now and then."""

    def __init__(self, run: int, after: int = 0, types: Container[str] = TYPES) -> None:
        self._run = run
        self._reached = behind(after)
        self._types = types

    def new(self, connection: sqlite3.Connection) -> Iterator[str]:
        """What was decided since. One page at a time is in memory, and each is one look."""
        is_last = False
        while not is_last:
            connection.execute("BEGIN")
            try:
                found = page(connection, self._run, self._reached, _PAGE)
            finally:
                connection.execute("COMMIT")
            self._reached, is_last = found.reached, found.is_last
            yield from (line(item.said) for item in found.items if item.said["type"] in self._types)
