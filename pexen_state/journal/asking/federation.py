"""Several journals behind one connection, read-only: each view holds the rows of all, with the journal's name first.

The files are attached to a database in memory, each `mode=ro`, and never written to. They may come from anybody: the
views are made of our own SQL, over the tables of each file, and nothing that a file calls a view is used.

The name of a journal is its file's name, with as much of the directory before it as makes it differ from the others.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple
from urllib.parse import quote

from pexen_state.journal.errors import JournalError
from pexen_state.journal.older import tables_since
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.reader import lies_still, open_reader, reading, revision_of
from pexen_state.journal.specs import sql_text
from pexen_state.journal.views import VIEWS
from pexen_state.util import PexenError

_BUSY_S = 10.0
#: Of a journal; apart from `schema`, as readers need no SQLAlchemy.
TABLES = (
    "run",
    "session",
    "task",
    "transition",
    "run_event",
    "attempt",
    "result",
    "checkpoint",
    "fact",
    "pruned",
    "alembic_version",
)
_REAL = "SELECT name FROM {}.sqlite_master WHERE type = 'table' AND rootpage > 0"  # neither a view nor virtual
_FROM = re.compile(rf"\b(FROM|JOIN) ({'|'.join(TABLES)})\b")


class BadFederation(PexenError):
    """Journals that cannot be asked together."""


class Member(NamedTuple):
    """One of the journals. `schema` is what SQLite calls it; `name` stands in the column `journal`."""

    schema: str
    name: str
    path: str
    older: dict[str, str]  #: of one with an older schema: tables that changed since, and how they are read

    def place_of(self, table: str) -> str:
        return f"temp.{self.schema}_{table}" if table in self.older else f"{self.schema}.{table}"


@contextmanager
def federation(paths: Sequence[str]) -> Iterator[sqlite3.Connection]:
    """A connection whose views hold the rows of all these journals. Raises BadFederation or a JournalError."""
    with closing(_connect()) as connection:
        members = [
            Member(f"j{number}", name, path, {})
            for number, (name, path) in enumerate(zip(names(paths), paths, strict=True), start=1)
        ]
        _check(connection, members)
        members = [_attached(connection, member) for member in members]
        _make_views(connection, members)
        connection.execute("PRAGMA query_only=ON")
        with reading(", ".join(paths)):
            yield connection


def names(paths: Sequence[str]) -> list[str]:
    """As much of the end of each path as no other one has."""
    parts = [JournalPaths.of(path).db.split(os.sep) for path in paths]
    depth = 1
    while True:
        found = [os.sep.join(part[-depth:]) for part in parts]
        if len(set(found)) == len(found) or depth >= max(map(len, parts)):
            return [sql_text(name) for name in found]
        depth += 1


def _connect() -> sqlite3.Connection:
    connection = sqlite3.connect("file::memory:", uri=True, timeout=_BUSY_S, isolation_level=None)
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _check(connection: sqlite3.Connection, members: Sequence[Member]) -> None:
    most = connection.getlimit(sqlite3.SQLITE_LIMIT_ATTACHED)
    if len(members) > most:
        raise BadFederation(
            f"{len(members)} journals were named, and SQLite takes {most} at a time. Ask them in several questions."
        )
    seen: dict[tuple[int, int], str] = {}
    for member in members:
        with closing(open_reader(member.path)) as alone:  # says what is wrong with it
            connection.text_factory = alone.text_factory
        stat = os.stat(member.path)
        other = seen.setdefault((stat.st_dev, stat.st_ino), member.path)
        if other is not member.path:
            raise BadFederation(f"{member.path} and {other} are the same journal. Name it once.")


def _attached(connection: sqlite3.Connection, member: Member) -> Member:
    paths = JournalPaths.of(member.path)
    uri = f"file:{quote(os.fsencode(paths.db))}"
    with reading(paths.db):
        try:
            connection.execute(f"ATTACH ? AS {member.schema}", (f"{uri}?mode=ro",))
        except sqlite3.OperationalError:
            if not lies_still(paths):
                raise
            connection.execute(f"ATTACH ? AS {member.schema}", (f"{uri}?immutable=1",))
        older = tables_since(revision_of(paths.db), member.schema)
        for table, query in older.items():
            connection.execute(f"CREATE TEMP VIEW {member.schema}_{table} AS {query}")
    return member._replace(older=older)


def _make_views(connection: sqlite3.Connection, members: Sequence[Member]) -> None:
    """One for each view, and for each table: a bare name would else be the first journal's alone."""
    columns = [_columns(connection, member) for member in members]
    for table in TABLES:
        for member, found in zip(members, columns, strict=True):
            if sorted(found[table]) != sorted(columns[0][table]):
                raise JournalError(
                    f"the table {table} has other columns in {member.path} than in {members[0].path}. "
                    "`pexen db check` says what is wrong."
                )
        # With the table before it: a quoted name alone is a text, where there is no such column.
        listed = ", ".join(f't."{column}"' for column in columns[0][table])
        _make_view(connection, members, table, f"SELECT {listed} FROM {table} t")
    for view, statement in VIEWS.items():
        _make_view(connection, members, view, statement.removeprefix(f"CREATE VIEW {view} AS"))


def _make_view(connection: sqlite3.Connection, members: Sequence[Member], name: str, query: str) -> None:
    parts = []
    for member in members:
        called = member.name.replace("'", "''")
        of_member = _FROM.sub(lambda found: f"{found[1]} {member.place_of(found[2])}", query)  # noqa: B023
        parts.append(f"SELECT '{called}' AS journal, * FROM ({of_member})")
    connection.execute(f"CREATE TEMP VIEW {name} AS {' UNION ALL '.join(parts)}")


def _columns(connection: sqlite3.Connection, member: Member) -> dict[str, list[str]]:
    with reading(member.path):
        there = {name for (name,) in connection.execute(_REAL.format(member.schema))}
        for table in TABLES:
            if table not in there and table not in member.older:
                raise JournalError(f"the journal {member.path} has no {table}. `pexen db check` says what is wrong.")
        found = {}
        for table in TABLES:
            schema, name = member.place_of(table).split(".")
            found[table] = [row[1] for row in connection.execute(f"PRAGMA {schema}.table_info({name})")]
    for table, columns in found.items():
        if not all(column.isascii() and column.isidentifier() for column in columns):
            raise JournalError(f"the table {table} of {member.path} is not one of pexen. It was changed by hand.")
    return found
