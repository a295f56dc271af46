"""A person's own question to a journal: one statement that can only read, its parameters, and what was wrong with it.

Three things keep it from writing: the file is opened `mode=ro`, `query_only` is on, and what those two let through
(ATTACH would make a file) is refused by an authorizer. Nothing is shown here.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from pexen_state.journal import queries
from pexen_state.util import PexenError
from pexen_state.words import did_you_mean

#: After so many steps of its own machine SQLite looks whether somebody pressed Ctrl-C: some thousand times a second.
_STEPS = 20_000

_REFUSED = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT)

# Pragmas that may be asked. Who sets them wants to write, and SQLite says then that the disk is broken.
_NOT_SET = frozenset({"journal_mode", "locking_mode"})

_SUITE_OF = "SELECT name FROM runs WHERE id = ?"

_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_REAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?", re.ASCII)


class BadQuestion(PexenError):
    """A query that is no question to a journal, or one that lacks something."""


class Answer(NamedTuple):
    columns: list[str]
    rows: list[tuple[Any, ...]]


def ask(connection: sqlite3.Connection, query: str, said: Mapping[str, str], federated: bool = False) -> Answer:
    """Columns and rows of a question.

    `said` are the values of its parameters, as typed. Left out, `:run` is the latest run and `:suite` is that run's
    suite. `federated`: the connection is one over several journals, where there is no latest run.

    Raises BadQuestion; sqlite3.Error for what is the journal's fault; KeyboardInterrupt, also while SQLite works.
    """
    values = _Values(connection, said, federated)
    try:
        with _guarded(connection):
            cursor = connection.execute(query, values)
            rows = cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError, ValueError) as error:
        # Python raises it inside of SQLite, which then says no more than that it was interrupted.
        if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            raise KeyboardInterrupt from None
        if _is_the_journals_fault(error):
            raise
        raise BadQuestion(_what_is_wrong(connection, error)) from error
    if cursor.description is None:
        raise BadQuestion("that is no question: it has no rows. Begin it with SELECT.")
    values.check_all_used()
    return Answer([column[0] for column in cursor.description], rows)


def number_or_text(said: str) -> int | float | str:
    """A value as typed: what looks like a number is one."""
    if _INTEGER.fullmatch(said):
        return int(said)
    return float(said) if _REAL.fullmatch(said) else said


class _Values(dict[str, Any]):
    """Values of parameters, looked up when SQLite asks for them. A dict, because sqlite3 takes any other class that
    has `__getitem__` for a sequence."""

    def __init__(self, connection: sqlite3.Connection, said: Mapping[str, str], federated: bool) -> None:
        super().__init__()
        self._connection = connection
        self._said = said
        self._federated = federated
        self._used: set[str] = set()

    def __getitem__(self, name: str) -> object:
        self._used.add(name)
        typed = self._said.get(name)
        if self._federated:
            if typed is None:
                raise BadQuestion(
                    f"the question needs a value for :{name}: add -p {name}=VALUE."
                    + (" Over several journals there is no latest run." if name in ("run", "suite") else "")
                )
            return number_or_text(typed)
        match name:
            case "run":
                return queries.run_id(self._connection, "latest" if typed is None else typed)
            case "suite" if typed is None:
                run = queries.run_id(self._connection, self._said.get("run", "latest"))
                return self._connection.execute(_SUITE_OF, (run,)).fetchone()[0]
            case "suite":
                return typed
        if typed is None:
            raise BadQuestion(f"the question needs a value for :{name}: add -p {name}=VALUE.")
        return number_or_text(typed)

    def check_all_used(self) -> None:
        """`:run` and `:suite` may be given to any question; a slip of the pen in another name is to be told."""
        for name in self._said:
            # `run` says whose suite is meant, too.
            if name not in self._used and not (name == "run" and "suite" in self._used):
                there = f" It has: {', '.join(f':{one}' for one in sorted(self._used))}." if self._used else ""
                raise BadQuestion(f"the question has no parameter :{name}.{did_you_mean(name, self._used)}{there}")


@contextmanager
def _guarded(connection: sqlite3.Connection) -> Iterator[None]:
    connection.set_authorizer(_no_way_out)
    # Called now and then, so that python gets a chance to raise KeyboardInterrupt.
    connection.set_progress_handler(lambda: 0, _STEPS)
    try:
        yield
    finally:
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)


def _no_way_out(action: int, name: str | None, value: str | None, *_: str | None) -> int:
    is_set = action == sqlite3.SQLITE_PRAGMA and value is not None and str(name).lower() in _NOT_SET
    return sqlite3.SQLITE_DENY if is_set or action in _REFUSED else sqlite3.SQLITE_OK


def _what_is_wrong(connection: sqlite3.Connection, error: Exception) -> str:
    said, name = str(error), str(getattr(error, "sqlite_errorname", ""))
    if name == "SQLITE_AUTH":
        return (
            "that is no question: `pexen sql` only reads, and only the journal. "
            "Several journals are asked by: pexen sql --from A.db B.db QUERY"
        )
    if name == "SQLITE_READONLY":
        return "`pexen sql` only reads: that would write to the journal. Begin it with SELECT."
    if "one statement" in said:
        return "only one statement can be asked at a time: leave out what follows the first `;`."
    if "has no name" in said:
        return "a parameter needs a name: write :name for it in place of ?, and give it a value by -p name=VALUE."
    return said + _what_there_is(connection, said)


def _what_there_is(connection: sqlite3.Connection, said: str) -> str:
    """For whoever asked for a table or a column that there is not."""
    # Imported here: it is needed on the way to an error only.
    from pexen_state.journal.views import VIEWS

    if said.startswith("no such table: "):
        missing = said.removeprefix("no such table: ")
        return f".{did_you_mean(missing, VIEWS)} There are: {', '.join(sorted(VIEWS))}"
    if said.startswith("no such column: "):
        missing = said.removeprefix("no such column: ").rpartition(".")[2]
        columns = {row[1] for view in VIEWS for row in connection.execute(f"PRAGMA table_info({view})")}
        return f".{did_you_mean(missing, sorted(columns))}"
    return ""


_OUR_FAULT = re.compile(r"SQLITE_(CORRUPT|NOTADB|IOERR|BUSY|CANTOPEN|NOMEM|FULL)")


def _is_the_journals_fault(error: Exception) -> bool:
    return _OUR_FAULT.match(str(getattr(error, "sqlite_errorname", ""))) is not None
