"""One item of the stream, as somebody is given it who follows a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pexen_state.journal.following.stream import Item


class Event:
    """One item of the stream. `said` is what `pexen events` prints as a line, the attributes are parts of it."""

    __slots__ = ("_acknowledge", "position", "said", "times")

    def __init__(self, item: Item, times: int, acknowledge: Callable[[Sequence[Event]], None]) -> None:
        self.position, self.said, _ = item
        self.times = times  #: that it was handed out; more than 1: somebody may have dealt with it already
        self._acknowledge = acknowledge

    def __repr__(self) -> str:
        parts = (f"{name}={self.said[name]!r}" for name in ("run", "task", "new", "state", "kind") if name in self.said)
        return f"<Event {self.seq} {self.type} {' '.join(parts)}>"

    @property
    def type(self) -> str:
        """`transition`, `result`, `event` or `session`."""
        return str(self.said["type"])

    @property
    def seq(self) -> int:
        return self.position.seq

    @property
    def run(self) -> int:
        return int(self.said["run"])

    @property
    def at(self) -> str | None:
        """When it was written: ISO 8601, UTC."""
        return self._text("at")

    @property
    def task(self) -> str | None:
        return self._text("task")

    @property
    def attempt(self) -> int | None:
        found = self.said.get("attempt")
        return None if found is None else int(found)

    @property
    def old(self) -> str | None:
        return self._text("old")

    @property
    def new(self) -> str | None:
        return self._text("new")

    @property
    def state(self) -> str | None:
        """Of a result: where the task ended."""
        return self._text("state")

    @property
    def verdict(self) -> str | None:
        return self._text("verdict")

    @property
    def cause(self) -> str | None:
        return self._text("cause")

    @property
    def reason(self) -> str | None:
        return self._text("reason")

    @property
    def ret(self) -> Any:
        """Of a result: what the task returned, as it would come from a replay; raises NotDecodable.

        May import the module of a dataclass. `said["ret"]` is the JSON that stands for it.
        """
        from pexen_state.journal.values import decode

        return decode(json.dumps(self.said.get("ret")))

    def ack(self) -> None:
        """It was dealt with, and is not handed out again. On the disk when this returns; any thread may call it."""
        self._acknowledge([self])

    def _text(self, name: str) -> str | None:
        found = self.said.get(name)
        return None if found is None else str(found)
