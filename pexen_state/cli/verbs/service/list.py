"""`pexen service list`: the services that this box has."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command("list", short_help="List the services of this box, and your own.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def list_services(app: App, as_json: bool) -> int:
    """List the services of this box, and your own: how they stand, and which journal they have."""
    from pexen_state.cli.verbs.service.standing import standing_of
    from pexen_state.report.tables import document, table
    from pexen_state.service.installed import on_this_box

    found = [standing_of(one, app.environ) for one in on_this_box(app.environ)]
    if as_json:
        app.console.out.line(document(services=found))
    elif not found:
        app.console.say("there is no service here. `pexen service install NAME` makes one.")
    else:
        columns = ("name", "scope", "state", "enabled", "calendar", "journal")
        rows = [
            [one[column] if column != "enabled" else ("no", "yes")[one[column]] for column in columns] for one in found
        ]
        for line in table(columns, rows):
            app.console.out.line(line)
    return 0
