"""`pexen facts`: what is known about the box."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Show the facts about the box that conditions may ask for.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def facts(app: App, as_json: bool) -> int:
    """Show every fact about the box, as `when` of a task sees it, with what it means.

    Each run keeps them in the journal, in the view `facts`.
    """
    from pexen_state.box.facts import MEANING
    from pexen_state.box.facts import facts as of_the_box
    from pexen_state.report.tables import document, table
    from pexen_state.report.text import safe

    found = of_the_box()
    out = app.console.out
    if as_json:
        out.line(document(facts=found))
        return 0
    rows = [(name, meaning, safe(_in_words(found.get(name)))) for name, meaning in MEANING.items()]
    for line in table(("fact", "what it is", "value"), rows):
        out.write(f"{line}\n")
    out.flush()
    return 0


def _in_words(value: object) -> str:
    """As it is written in a condition."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(value)
    return str(value)
