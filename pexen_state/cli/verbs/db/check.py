"""`pexen db check`: is the journal what it says?"""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Prove that the journal is consistent.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def check(app: App, as_json: bool) -> int:
    """Prove that the journal is consistent: replay every decision, and compare with where each task stands.

    Ends with 1 if something is wrong. Output that no run has any more is named, and is nothing wrong.
    """
    from pexen_state.cli import journals
    from pexen_state.cli.errors import Exit
    from pexen_state.journal.care.check import check as check_journal
    from pexen_state.report.style import count
    from pexen_state.report.tables import document
    from pexen_state.report.text import safe

    path = journals.existing(app.journal)
    findings = check_journal(path)
    left = _left_over(path)
    write = app.console.out.line
    if as_json:
        write(document(journal=path, findings=[finding._asdict() for finding in findings], orphans=left))
    else:
        for run, task, what in findings:
            where = "".join((f"run {run}: " if run is not None else "", f"{safe(task)}: " if task is not None else ""))
            write(f"{where}{safe(what)}")
        for name in left:
            write(f"{name}: output that no run has any more; the next `pexen db prune` removes it")
        found = count(len(findings), "finding") if findings else "every decision was replayed, and nothing is wrong"
        write(f"{journals.shown(path, journals.current_directory())}: {found}")
    return Exit.FAILED if findings else Exit.DONE


def _left_over(path: str) -> list[str]:
    """Directories of output, beside the journal."""
    from pexen_state.journal.care.orphans import orphans
    from pexen_state.journal.reader import reader

    with reader(path) as connection:
        return orphans(connection, path)
