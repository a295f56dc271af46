"""`pexen db vacuum`: gives space back."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Give the space back that deleted runs have left.")
@verb
def vacuum(app: App) -> int:
    """Give the space back that deleted runs have left in the journal."""
    from pexen_state.cli import journals
    from pexen_state.cli.verbs.db.target import size
    from pexen_state.journal.care.vacuum import vacuum as vacuum_journal
    from pexen_state.journal.lock import RunLock
    from pexen_state.journal.reader import reader

    path = journals.existing(app.journal)
    with reader(path):
        pass  # a file that is no journal is told as such, and left alone
    with RunLock.acquire(path) as lock:
        sizes = vacuum_journal(lock)
    name = journals.shown(path, journals.current_directory())
    gained = f", {size(sizes.before - sizes.after)} given back" if sizes.after < sizes.before else ""
    app.console.out.line(f"{name}: {size(sizes.before)} before, {size(sizes.after)} now{gained}")
    if not sizes.is_done:
        app.console.say("pexen: somebody is reading it; the file shrinks when they have left and it is written again")
    return 0
