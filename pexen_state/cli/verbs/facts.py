"""`pexen facts`: what is known about the box, or was when a run began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Show the facts about the box that conditions may ask for.")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def facts(app: App, run: str | None, as_json: bool) -> int:
    """Show every fact about the box, as `when` of a task sees it, with what it means.

    With RUN: as they were when that run began. Each run keeps them in the journal, in the view `facts`.
    """
    from pexen_state.box.facts import MEANING
    from pexen_state.box.facts import facts as of_the_box
    from pexen_state.report.tables import document, table
    from pexen_state.report.text import safe

    found, of_run = (of_the_box(), {}) if run is None else _of_run(app, run)
    out = app.console.out
    if as_json:
        out.line(document(facts=found, **of_run))
        return 0
    rows = [(name, meaning, safe(_in_words(found.get(name)))) for name, meaning in MEANING.items()]
    for line in table(("fact", "what it is", "value"), rows):
        out.write(f"{line}\n")
    out.flush()
    return 0


def _of_run(app: App, word: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
    from pexen_state.cli.resolve import looking, which_run
    from pexen_state.journal.asking.by_fact import facts_of

    with looking(app) as (_, connection):
        run = which_run(connection, word, None)
        return facts_of(connection, run), {"run": run}


def _in_words(value: object) -> str:
    """As it is written in a condition."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
