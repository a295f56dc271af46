"""`pexen sql`: any question to one journal or to several, read-only, and the saved ones by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from pexen_state.cli.app import App, verb

if TYPE_CHECKING:
    from pexen_state.journal.asking.question import Answer
    from pexen_state.journal.asking.saved import Saved


@click.command(short_help="Ask the journal a question in SQL.")
@click.argument("words", metavar="QUERY", nargs=-1)
@click.option("-l", "--list", "listing", is_flag=True, help="List the saved queries; with a NAME, print its SQL.")
@click.option("-p", "--param", "params", metavar="NAME=VALUE", multiple=True, help="The value of :NAME in the query.")
@click.option("--from", "journals_", metavar="A.db B.db", multiple=True, help="Ask these journals at once.")
@click.option("--csv", "form", flag_value="csv", help="As CSV.")
@click.option("--json", "form", flag_value="json", help="As one JSON document, exactly as it is stored.")
@verb
def sql(
    app: App,
    words: tuple[str, ...],
    listing: bool,
    params: tuple[str, ...],
    journals_: tuple[str, ...],
    form: str | None,
) -> int:
    """Ask the journal a question in SQL. QUERY can only read; - is standard input.

    QUERY may be the name of a saved query (-l lists them): pexen sql failed -p run=12. :run is a RUN [latest], :suite a
    suite's name [that of the run]. Your own are files NAME.sql in the directory queries beside the journal.

    The views are runs, sessions, tasks, attempts, results, transitions and facts. Over several journals each of them
    has a first column `journal`: pexen sql --from A.db B.db QUERY. A saved query is asked of each by itself.
    """
    from pexen_state.journal.asking.saved import named

    if listing:
        return _list(app, words, journals_, form)
    asked = _sorted_out(words, journals_)
    said = _values(params)
    if asked.is_name:
        saved = named(asked.query, None if asked.journals else _journal_if_any(app))
        said = {**saved.defaults, **said}
        answer = _ask_each(asked.journals, saved.text, said) if asked.journals else _ask(app, saved.text, said)
    elif asked.journals:
        answer = _ask_all(asked.journals, asked.query, said)
    else:
        answer = _ask(app, asked.query, said)
    _show(app, answer.columns, answer.rows, form)
    return 0


class _Asked(NamedTuple):
    query: str
    is_name: bool
    journals: tuple[str, ...]  #: those of `--from`


def _sorted_out(words: Sequence[str], journals_: Sequence[str]) -> _Asked:
    """What was typed: the query is the last word, and what stands before it are more journals."""
    from pexen_state.cli.errors import UsageError
    from pexen_state.journal.asking.saved import is_name
    from pexen_state.report.text import safe

    missing = "QUERY is missing: a question in SQL, in quotes; the name of a saved query (-l lists them); or -"
    if not words:
        raise UsageError(missing)
    *more, query = words
    if more and not journals_:
        raise UsageError(
            f"only one QUERY can be asked; {safe(words[1])!r} is one too many. Put a question in SQL in quotes."
        )
    if journals_ and os.path.isfile(query):
        raise UsageError(f"{missing}. {safe(query)} is a file; the QUERY comes after the journals.")
    journals_ = (*journals_, *more)
    for path in journals_:
        if os.path.isdir(path):
            raise UsageError(
                f"--from names a directory: {safe(path)}. Name a file in it: {safe(os.path.join(path, 'journal.db'))}"
            )
    if query == "-":
        return _Asked(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"), False, tuple(journals_))
    return _Asked(query, is_name(query), tuple(journals_))


def _values(params: Sequence[str]) -> Mapping[str, str]:
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import sql_text
    from pexen_state.report.text import safe

    found: dict[str, str] = {}
    for param in params:
        name, is_there, value = param.partition("=")
        name = name.removeprefix(":")
        if not is_there or not name.isidentifier():
            raise UsageError(f"-p: {safe(param)!r} says no value. Write NAME=VALUE, for example -p run=12")
        if name in found:
            raise UsageError(f"-p: {name} is given twice")
        found[name] = sql_text(value)
    return found


def _ask(app: App, query: str, said: Mapping[str, str]) -> Answer:
    from pexen_state.cli.resolve import looking
    from pexen_state.journal.asking.question import ask

    with looking(app) as (_, connection):
        return ask(connection, query, said)


def _ask_all(paths: Sequence[str], query: str, said: Mapping[str, str]) -> Answer:
    """Of all journals at once."""
    from pexen_state.journal.asking.federation import federation
    from pexen_state.journal.asking.question import ask

    with federation(paths) as connection:
        return ask(connection, query, said, federated=True)


def _ask_each(paths: Sequence[str], query: str, said: Mapping[str, str]) -> Answer:
    """Of one journal after the other: what a saved query joins belongs together in one journal only."""
    from pexen_state.cli.errors import UsageError
    from pexen_state.journal.asking.federation import names
    from pexen_state.journal.asking.question import Answer, BadQuestion, ask
    from pexen_state.journal.queries import NotFound
    from pexen_state.journal.reader import reader

    columns: list[str] = []
    rows: list[tuple[object, ...]] = []
    for name, path in zip(names(paths), paths, strict=True):
        with reader(path) as connection:
            try:
                answer = ask(connection, query, said)
            except (BadQuestion, NotFound) as error:
                raise UsageError(f"{name}: {error}") from error
        columns = ["journal", *answer.columns]
        rows += [(name, *row) for row in answer.rows]
    return Answer(columns, rows)


def _journal_if_any(app: App) -> str | None:
    """Whose own saved queries are meant. Shipped ones are there without any journal."""
    from pexen_state.cli import journals

    found = journals.find(app.journal)
    return found.path if found is not None else None


def _list(app: App, words: Sequence[str], paths: Sequence[str], form: str | None) -> int:
    from pexen_state.cli.errors import UsageError
    from pexen_state.journal.asking.saved import every, named

    if paths or len(words) > 1:
        raise UsageError("-l lists the saved queries, and prints the SQL of one NAME; it asks nothing")
    journal = _journal_if_any(app)
    if words:
        return _print(app, named(words[0], journal), form)
    rows = [(one.name, one.answers + (" (your own)" if one.is_own else "")) for one in every(journal)]
    _show(app, ["query", "answers"], rows, form)
    return 0


def _print(app: App, saved: Saved, form: str | None) -> int:
    from pexen_state.report.tables import document
    from pexen_state.report.text import safe_line

    if form == "json":
        app.console.out.line(document(name=saved.name, answers=saved.answers, sql=saved.text))
    else:
        for line in saved.text.rstrip("\n").split("\n"):
            app.console.out.line(safe_line(line))
    return 0


def _show(app: App, columns: list[str], rows: Sequence[tuple[object, ...]], form: str | None) -> None:
    from pexen_state.cli.width import width_of
    from pexen_state.report.tables import csv_lines, document, table

    out = app.console.out
    if form == "json":
        out.line(document(columns=columns, rows=rows))
        return
    if form == "csv":
        lines = csv_lines(columns, rows)
    else:
        lines = table(columns, rows, width_of(out))
    # Many rows at once: a write for each of them would take longer than the question.
    out.write("".join(f"{line}\n" for line in lines))
    out.flush()
