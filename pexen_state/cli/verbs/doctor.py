"""`pexen doctor`: what about this box and this journal would hurt a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pexen_state.cli.app import App, verb

if TYPE_CHECKING:
    from pexen_state.cli.doctor.finding import Finding


@click.command(short_help="Examine the box and the journal: what would hurt a run, and what mends it.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def doctor(app: App, as_json: bool) -> int:
    """Examine the box and the journal: what is so, whether it matters, and the command that mends it.

    Changes nothing. What only hurts runs that crash or reboot the box is a warning where a service goes on after a
    boot, or where one of the journal's last runs was allowed to reboot, and a note elsewhere. Each look has a limit of
    time. Ends with 1 if there is a warning, or anything worse. With -q: only those.
    """
    from pexen_state.cli import journals
    from pexen_state.cli.doctor.examination import findings
    from pexen_state.cli.doctor.reading import look
    from pexen_state.cli.errors import Exit
    from pexen_state.report.style import count
    from pexen_state.report.tables import document

    named = journals.find(app.journal, environ=app.environ)
    found = findings(look(named.path if named else None, named is not None and named.is_named, app.environ))
    troubles = sum(one.is_trouble for one in found)
    write = app.console.out.line
    if as_json:
        write(document(journal=named.path if named else None, findings=[one._asdict() for one in found]))
    else:
        for one in found:
            if one.is_trouble or not app.console.quiet:
                for line in _lines(one):
                    write(line)
        verdict = f"{count(troubles, 'thing')} to mend" if troubles else "nothing to mend"
        write(f"{count(len(found), 'thing')} looked at, {verdict}")
    return Exit.FAILED if troubles else Exit.DONE


def _lines(one: Finding) -> Iterator[str]:
    from pexen_state.report.text import safe

    word = one.level.upper() if one.is_trouble else one.level
    yield f"{word:<4}  {one.what:<18}  {safe(one.says)}"
    if one.matters is not None:
        yield f"{'':26}{safe(one.matters)}"
    if one.mend is not None:
        yield f"{'':26}mend: {safe(one.mend)}"
