"""`pexen logs -f`: the output of what runs, as it is written.

The journal says which attempts began and which have ended; their files are read as far as they are. A file is read to
its end after its attempt has ended, so nothing is lost, however quick the attempt was.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pexen_state.cli.following import looks
from pexen_state.cli.output import Console
from pexen_state.core.states import State
from pexen_state.journal import queries
from pexen_state.journal.ids import task_base
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.specs import exact_key
from pexen_state.report.text import cut, safe, safe_lines

_BEFORE_BYTES = 64 * 1024  # of what was printed before anybody followed
_CHUNK = 1 << 20
_LONG_LINE = 256 * 1024  # shown in pieces: it may never end
_PAGE = 5000


def file_of(path: str, run: int, row: dict[str, Any]) -> str:
    """Where an attempt in flight writes to. `row` has the task's key, its spec, its row id, and the attempt."""
    key = row["task"] if row["spec"] is None else exact_key(row["task"], row["spec"])
    return JournalPaths.of(path).output(run, key, row["id"] - task_base(run), row["attempt"])


class _Change(NamedTuple):
    row: dict[str, Any]
    began: bool  #: else it ended
    is_final: bool


@dataclass
class _Tail:
    """One file that is being read."""

    path: str
    key: str
    attempt: int
    at: int | None = None  #: None: not opened yet
    rest: bytes = b""  #: of a line that has not ended

    def new(self, from_start: bool) -> Iterator[bytes]:
        """What was appended since. A file that is not there yet has nothing."""
        try:
            with open(self.path, "rb") as file:
                if self.at is None:
                    size = os.fstat(file.fileno()).st_size
                    self.at = 0 if from_start else max(size - _BEFORE_BYTES, 0)
                    if self.at:
                        file.seek(self.at)
                        self.at += len(file.readline())
                file.seek(self.at)
                while chunk := file.read(_CHUNK):
                    self.at += len(chunk)
                    yield chunk
        except OSError:
            return


@dataclass
class Follower:
    """Prints what the attempts of one task, or of all, print. `key` is as the columns have it.

    `seq` and `in_flight` are where the journal was when somebody looked, and what ran then.
    """

    console: Console
    path: str
    run: int
    key: str | None
    is_raw: bool
    seq: int
    in_flight: list[dict[str, Any]]
    _tails: dict[int, _Tail] = field(default_factory=dict, init=False)  # by the task's row id
    _known: set[int] = field(default_factory=set, init=False)  # tasks whose file is read from its begin
    _is_over: bool = field(default=False, init=False)
    _told: int = field(default=0, init=False)  # attempts that were begun to be shown

    def follow(self) -> None:
        """Until the task or the run has ended, nobody runs it, or nobody reads."""
        ours = [row for row in self.in_flight if self.key in (None, row["task"])]
        self._show([_Change(row, True, False) for row in ours], is_old=True)
        for changes, is_running in looks(self.path, self.run, self._look, self.console.out):
            self._show(changes)
            if self._is_over or self.console.out.is_gone:
                return
            if not is_running:
                for tail in list(self._tails.values()):
                    self._read(tail, is_last=True)
                self.console.say(f"nobody runs run {self.run} any more")

    def _look(self, connection: sqlite3.Connection) -> list[_Change]:
        found: list[_Change] = []
        while page := queries.changes(connection, self.run, self.seq, _PAGE):
            self.seq = page[-1]["seq"]
            for row in page:
                if self.key is not None and row["task"] != self.key:
                    continue
                new = State(row["new"])
                if new is State.SUBMITTED:
                    found.append(_Change(row, True, False))
                elif State(row["old"]).in_flight and not new.in_flight:
                    found.append(_Change(row, False, new.is_final))
                elif new.is_final:
                    found.append(_Change(row, False, True))
        return found

    def _show(self, changes: list[_Change], *, is_old: bool = False) -> None:
        """`is_old`: of what these attempts have printed before, only the end is shown."""
        for row, began, is_final in changes:
            if began:
                tail = _Tail(file_of(self.path, self.run, row), safe(row["task"]), row["attempt"])
                self._tails[row["id"]] = tail
                if not is_old:
                    self._known.add(row["id"])
                self._told += 1
                if self.key is not None and self._told > 1:
                    self.console.say(f"== {tail.key}, attempt {tail.attempt} ==")
            elif row["id"] in self._tails:
                self._read(self._tails.pop(row["id"]), is_last=True, from_start=row["id"] in self._known)
            self._is_over = self._is_over or (is_final and self.key is not None)
        for number, tail in self._tails.items():
            self._read(tail, from_start=number in self._known)
        self.console.out.flush()

    def _read(self, tail: _Tail, *, is_last: bool = False, from_start: bool = True) -> None:
        for chunk in tail.new(from_start):
            if self.is_raw:
                self.console.out.write_bytes(chunk)
            else:
                self._lines(tail, chunk)
            if self.console.out.is_gone:
                return
        if is_last and tail.rest:
            self._lines(tail, b"\n" if not tail.rest.endswith(b"\n") else b"")
            tail.rest = b""

    def _lines(self, tail: _Tail, chunk: bytes) -> None:
        whole, newline, rest = (tail.rest + chunk).rpartition(b"\n")
        if not newline and len(rest) > _LONG_LINE:
            whole, newline, rest = rest, b"\n", b""
        tail.rest = rest
        if not newline:
            return
        before = "" if self.key is not None else f"{cut(tail.key, 100)} | "
        out = self.console.out
        for line in safe_lines(whole + b"\n"):
            out.write(f"{before}{line}\n")
