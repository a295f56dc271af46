"""`pexen diff`: what is different between two runs, or between the runs on boxes that differ in a fact."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pexen_state.cli.app import App, verb

if TYPE_CHECKING:
    pass


@click.command(short_help="Compare two runs.")
@click.argument("runs", metavar="[RUN RUN]", nargs=-1)
@click.option(
    "--by", "fact", metavar="FACT", help="Compare the newest runs of a suite by what the fact was, such as kernel."
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def diff(app: App, runs: tuple[str, ...], fact: str | None, as_json: bool) -> int:
    """Say what is different in the second RUN, compared with the first: pexen diff latest-1 latest

    Told are tasks that failed now, did not run any more, are gone, were fixed, are new or changed their verdict in
    another way; that passed after a failed attempt; and that took twice as long, and a second more. The exit code is 1
    if one of the first three is there.

    pexen diff --by kernel [RUN] takes RUN's suite [that of the latest]: its newest run is compared with the newest one
    for each other value that the fact had when a run began. `pexen facts` lists the facts. Two RUNs with --by are
    compared as ever, and what the fact was in each is told.
    """
    from pexen_state.cli.errors import Exit, UsageError
    from pexen_state.cli.resolve import looking, sql_text
    from pexen_state.journal import queries
    from pexen_state.journal.asking import by_fact
    from pexen_state.journal.asking.by_fact import OfValue
    from pexen_state.journal.asking.comparing import difference
    from pexen_state.report import comparison
    from pexen_state.report.tables import document

    if fact is not None:
        _check_fact(fact)
    wanted = (2,) if fact is None else (0, 1, 2)
    if len(runs) not in wanted:
        hint = "pexen diff latest-1 latest" if fact is None else f"pexen diff --by {fact} latest"
        raise UsageError(f"two runs are compared, and {len(runs)} named. Write for example: {hint}")
    with looking(app) as (_, connection):
        named = [queries.run_id(connection, sql_text(word)) for word in runs]
        if fact is None:
            found = [difference(connection, *named)]
        elif len(named) == 2:
            values = [OfValue(by_fact.value_in(connection, run, fact), run, 1) for run in reversed(named)]
            found = [difference(connection, *named)]
        else:
            suite = _suite(connection, named)
            values = by_fact.newest_by(connection, suite, fact)
            found = [difference(connection, other.run, values[0].run) for other in values[1:]]
    style = app.console.style
    if fact is None and as_json:
        app.console.out.line(document(**comparison.difference_document(found[0])))
    elif fact is None:
        _write(app, list(comparison.difference_lines(found[0], style)))
    elif as_json:
        app.console.out.line(document(**comparison.by_fact_document(fact, values, found)))
    else:
        _write(app, list(comparison.by_fact_lines(fact, values, found, style)))
    return Exit.FAILED if any(one.is_worse for one in found) else Exit.DONE


def _suite(connection: sqlite3.Connection, named: Sequence[int]) -> str:
    from pexen_state.journal import queries

    run = named[0] if named else queries.run_id(connection)
    return str(queries.run(connection, run)["name"])


def _check_fact(fact: str) -> None:
    from pexen_state.box.facts import MEANING
    from pexen_state.cli.errors import UsageError
    from pexen_state.report.text import safe
    from pexen_state.words import did_you_mean

    if fact not in MEANING:
        raise UsageError(
            f"--by: there is no fact {safe(fact)!r}.{did_you_mean(fact, MEANING)} `pexen facts` lists them"
        )


def _write(app: App, lines: Sequence[str]) -> None:
    app.console.out.write("".join(f"{line}\n" for line in lines))
    app.console.out.flush()
