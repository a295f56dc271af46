"""`pexen history`: one task through all runs of the journal."""

from __future__ import annotations

import sqlite3

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Show one task through all runs.")
@click.argument("task")
@click.option("--suite", metavar="NAME", help="Only in runs of this suite.")
@click.option("-n", "--last", metavar="N", type=click.IntRange(min=1), help="Only the newest N runs that had it.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def history(app: App, task: str, suite: str | None, last: int | None, as_json: bool) -> int:
    """Show how TASK ended in each run that had it, newest first; since when it fails, and what it usually takes.

    TASK is a key, or any tail of one that only one task of the newest run has, or else of all runs.
    """
    from pexen_state.cli.resolve import looking, sql_text
    from pexen_state.cli.width import width_of
    from pexen_state.journal.asking import past
    from pexen_state.report.past import history_lines, streak_words
    from pexen_state.report.tables import document

    with looking(app) as (_, connection):
        suite = None if suite is None else sql_text(suite)
        past.check_suite(connection, suite)
        found = past.history(connection, _key(connection, sql_text(task), suite), suite, last or -1)
    out = app.console.out
    if as_json:
        out.line(
            document(
                task=found.task,
                streak=found.streak and {**found.streak._asdict(), "words": streak_words(found.streak)},
                seconds=found.spread and found.spread._asdict(),
                runs=[one._asdict() for one in found.runs],
            )
        )
    else:
        out.write("".join(f"{line}\n" for line in history_lines(found, app.console.style, width_of(out))))
        out.flush()
    return 0


def _key(connection: sqlite3.Connection, word: str, suite: str | None) -> str:
    """A name that holds what no terminal shows may be typed as it was shown."""
    from pexen_state.journal import queries
    from pexen_state.journal.asking import past
    from pexen_state.report.text import safe

    try:
        return past.task_key(connection, word, suite)
    except queries.NotFound:
        every = past.keys(connection, suite)
        shown = [key for key in every if safe(key) == word] or [key for key in every if safe(key).endswith(f"/{word}")]
        if len(shown) != 1:
            raise
        return shown[0]
