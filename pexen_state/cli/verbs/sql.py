"""`pexen sql`: any question to the journal, read-only."""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Ask the journal a question in SQL.")
@click.argument("query", metavar="QUERY")
@click.option("--csv", "form", flag_value="csv", help="As CSV.")
@click.option("--json", "form", flag_value="json", help="As one JSON document, exactly as it is stored.")
@verb
def sql(app: App, query: str, form: str | None) -> int:
    """Ask the journal a question in SQL. QUERY can only read; - is standard input.

    The views are runs, sessions, tasks, attempts, results, transitions and facts.
    """
    from pexen_state.cli.resolve import looking
    from pexen_state.report.tables import csv_lines, document, table

    if query == "-":
        query = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    with looking(app) as (_, connection):
        columns, rows = _ask(connection, query)
    write = app.console.out.line
    if form == "json":
        write(document(columns=columns, rows=rows))
    else:
        for line in csv_lines(columns, rows) if form == "csv" else table(columns, rows):
            write(line)
    return 0


def _ask(connection: sqlite3.Connection, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows. Raises UsageError for what is no question to a journal."""
    from pexen_state.cli.errors import UsageError
    from pexen_state.report.text import safe

    try:
        cursor = connection.execute(query)
        rows = cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError, ValueError) as error:
        if _is_the_journals_fault(error):
            raise
        readonly = getattr(error, "sqlite_errorname", "") == "SQLITE_READONLY"
        hint = ": `pexen sql` only reads" if readonly else _views(connection, str(error))
        raise UsageError(f"{safe(str(error))}{hint}") from error
    if cursor.description is None:
        raise UsageError("that is no question: it has no rows. Begin it with SELECT.")
    return [column[0] for column in cursor.description], rows


def _is_the_journals_fault(error: Exception) -> bool:
    name = str(getattr(error, "sqlite_errorname", ""))
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_CANTOPEN"))


def _views(connection: sqlite3.Connection, said: str) -> str:
    """What there is, for whoever asked for a table or a column that there is not."""
    from pexen_state.words import did_you_mean

    views = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
    missing = said.removeprefix("no such table: ").removeprefix("no such column: ")
    if missing == said:
        return ""
    if said.startswith("no such table: "):
        return f".{did_you_mean(missing, views)} There are: {', '.join(sorted(views))}"
    columns = {column[1] for view in views for column in connection.execute(f"PRAGMA table_info('{view}')")}
    return f".{did_you_mean(missing.rpartition('.')[2], columns)}"
