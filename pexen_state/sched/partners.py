"""Whom the loop of a run works with, as it sees them: who makes decisions durable, who asks, who minds the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pexen_state.core.decisions import Decision
from pexen_state.core.inputs import Input
from pexen_state.journal.records import Checkpoint, NewTask
from pexen_state.sched.pool.base import Began, Outcome


class Ledger(Protocol):
    """Where decisions are made durable; without a journal, nowhere."""

    def append(
        self,
        decisions: Sequence[Decision],
        began: Sequence[Began],
        ended: Mapping[int, Outcome],
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        """`ended` is by task, of which one attempt at most ends in a turn."""

    def checkpoint(self, task: int, key: str) -> Any:
        """What was kept under that key last, None for nothing."""

    def add_tasks(self, first: int, tasks: Sequence[NewTask]) -> None:
        """Tasks that join the run, numbered from `first`. The next turn says so."""

    def set_fingerprints(self, fingerprints: Mapping[int, bytes]) -> None:
        """Of tasks that changed, by number."""


class NoLedger:
    """A run without a journal: what its tasks keep lasts as long as the run."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], Any] = {}

    def append(
        self,
        decisions: Sequence[Decision],
        began: Sequence[Began],
        ended: Mapping[int, Outcome],
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        self._kept.update(((one.task, one.key), one.value) for one in checkpoints)

    def add_tasks(self, first: int, tasks: Sequence[NewTask]) -> None:
        pass

    def set_fingerprints(self, fingerprints: Mapping[int, bytes]) -> None:
        pass

    def checkpoint(self, task: int, key: str) -> Any:
        return self._kept.get((task, key))


class Source(Protocol):
    """Somebody outside who may ask something of the run: its descriptor is readable when they do."""

    def fileno(self) -> int: ...

    def take(self) -> list[Input]:
        """What was asked. Never blocks."""

    def committed(self) -> None:
        """What was taken is durable: it may be answered."""


class Timer(Protocol):
    """Somebody who has something to say at a certain time, by `time.monotonic()`."""

    @property
    def due(self) -> float:
        """Infinity for never."""

    def take(self) -> list[Input]:
        """What is to be said now."""
