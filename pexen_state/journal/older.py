"""How a journal of an older schema is looked at: as it would be after an upgrade, without one.

What a later schema added is made up by temporary views, which take the place of tables for this connection alone. The
file is not written to, and nothing of it is copied: a large one is looked at as quickly as a new one. A migration adds
to what stands here; a test compares that with the upgrade.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from pexen_state.journal.versions import REVISION
from pexen_state.journal.views import VIEWS


class _Added(NamedTuple):
    """By one migration. `columns`: of a table, with what they are for rows that were there before."""

    columns: Mapping[str, Mapping[str, str]]
    tables: Mapping[str, tuple[str, ...]]  #: with their columns; they were empty


def _of_spec(name: str) -> str:
    return f"CASE WHEN json_valid(t.spec) THEN json_extract(t.spec, '$.{name}') END"


_ADDED: dict[str, _Added] = {
    "0002": _Added({}, {"pruned": ("id", "last_run", "last_session", "last_seq", "runs", "at_us")}),
    "0003": _Added(
        {
            "task": {"reboots": "0"},
            "attempt": {"reboots": "NULL", "mark": "NULL"},
            "session": {"set_by_us": "0", "panics": "NULL"},
        },
        {},
    ),
    "0004": _Added({"task": {"tags": _of_spec("tags"), "group_name": _of_spec("group")}}, {}),
}


def tables_since(revision: str, schema: str = "main") -> dict[str, str]:
    """A query for each table that changed since: its rows as they would be after an upgrade."""
    added: dict[str, dict[str, str]] = {}
    queries: dict[str, str] = {}
    for its_revision, what in _ADDED.items():
        if its_revision <= revision:
            continue
        for table, columns in what.columns.items():
            added.setdefault(table, {}).update(columns)
        for table, names in what.tables.items():
            queries[table] = f"SELECT {', '.join(f'NULL AS {name}' for name in names)} WHERE 0"
    for table, columns in added.items():
        more = ", ".join(f"{value} AS {name}" for name, value in columns.items())
        queries[table] = f"SELECT t.*, {more} FROM {schema}.{table} t"
    return queries


def read_as_new(connection: sqlite3.Connection, revision: str) -> None:
    """Let every question to a journal of this older revision be answered as after an upgrade."""
    assert revision < REVISION
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA query_only=OFF")  # which forbids views for this connection alone, too
    for table, query in tables_since(revision).items():
        connection.execute(f"CREATE TEMP VIEW {table} AS {query}")
    for statement in VIEWS.values():  # the file's own are of its time
        connection.execute(statement.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))
    connection.execute("PRAGMA query_only=ON")
