"""What running attempts ask for, until they are answered: values to keep, and tasks to add.

Each is answered when what it asked for is durable, or at once if it cannot be done. Who waits for an answer does not
end.
"""

from __future__ import annotations

from typing import Any

from pexen_state.journal.records import Checkpoint
from pexen_state.sched.joining import Joining
from pexen_state.sched.partners import Ledger
from pexen_state.sched.pool.base import Asks, Pool
from pexen_state.util import PexenError


class Requests:
    """Of one session. The answers go through its pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._open: list[Asks] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def take(self, one: Asks) -> None:
        self._open.append(one)

    def checkpoints(self) -> list[Checkpoint]:
        """Values that are to be kept."""
        kept = [one for one in self._open if one.body["do"] == "checkpoint" and "value" in one.body]
        return [Checkpoint(one.task, one.body["key"], one.body["value"]) for one in kept]

    def add_tasks(self, joining: Joining) -> None:
        """Whoever asks for a task that cannot be added is told so."""
        refused = []
        for one in self._open:
            if one.body["do"] == "add":
                try:
                    one.body["key"] = joining.asked(one.task, one.body["task"])
                except Exception as error:  # noqa: BLE001 - whatever a task asks for, it does not end the run
                    why = str(error) if isinstance(error, PexenError | ValueError) else f"it makes no sense: {error!r}"
                    self._pool.answer(one.client, {"ok": False, "error": why})
                    refused.append(one)
        if refused:
            self._open = [one for one in self._open if one not in refused]

    def answer(self, ledger: Ledger) -> None:
        """What was asked for is durable."""
        while self._open:
            one = self._open[0]
            said: dict[str, Any] = {"ok": True}
            if one.body["do"] == "add":
                said["key"] = one.body["key"]
            else:
                said["value"] = ledger.checkpoint(one.task, one.body["key"])
            self._pool.answer(one.client, said)
            del self._open[0]

    def refuse(self, why: str) -> None:
        for one in self._open:
            self._pool.answer(one.client, {"ok": False, "error": why})
        self._open.clear()
