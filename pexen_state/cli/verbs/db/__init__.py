"""`pexen db`: looks after the journal file. One file for each of its commands."""

from __future__ import annotations

import click

from pexen_state.cli.verbs.db.backup import backup
from pexen_state.cli.verbs.db.check import check
from pexen_state.cli.verbs.db.export import export
from pexen_state.cli.verbs.db.prune import prune
from pexen_state.cli.verbs.db.upgrade import upgrade
from pexen_state.cli.verbs.db.vacuum import vacuum


@click.group(short_help="Look after the journal file.")
def db() -> None:
    """Look after the journal file."""


for command in (upgrade, check, backup, prune, vacuum, export):
    db.add_command(command)
