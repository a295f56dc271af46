"""`pexen db upgrade`: an old journal for this pexen."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Bring an old journal up to date, after a backup.")
@verb
def upgrade(app: App) -> int:
    """Bring a journal of an older pexen up to date, after a backup.

    A run and a resume do so by themselves. An older journal can be looked at as it is.
    """
    from pexen_state.cli import journals
    from pexen_state.journal.errors import too_new
    from pexen_state.journal.reader import revision_of
    from pexen_state.journal.uptodate import bring_up_to_date
    from pexen_state.journal.versions import REVISION

    path, here = journals.existing(app.journal), journals.current_directory()
    say, name = app.console.out.line, journals.shown(path, here)
    found = revision_of(path)
    if found > REVISION:
        raise too_new(path, found, REVISION)
    backup = bring_up_to_date(path)
    if backup is None:
        say(f"{name}: nothing to do, its schema is {REVISION}, the newest that this pexen knows")
    else:
        say(f"{name}: upgraded from schema {found} to {REVISION}")
        say(f"what it was is in {journals.shown(backup, here)}; delete that when you do not need it any more")
    return 0
