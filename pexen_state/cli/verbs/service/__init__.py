"""`pexen service`: suites as services of systemd. One file for each of its commands."""

from __future__ import annotations

import click

from pexen_state.cli.verbs.service.install import install
from pexen_state.cli.verbs.service.list import list_services
from pexen_state.cli.verbs.service.print import print_units
from pexen_state.cli.verbs.service.remove import remove
from pexen_state.cli.verbs.service.status import status


@click.group(short_help="Run suites as services of systemd.")
def service() -> None:
    """Run suites as services of systemd: what was interrupted goes on by itself, also after a boot.

    A service has one journal, and goes on with what is unfinished in it. --journal @NAME is the journal of the
    service NAME. Root has services of the box, everybody else services of their own (--user).
    """


for command in (install, print_units, remove, status, list_services):
    service.add_command(command)
