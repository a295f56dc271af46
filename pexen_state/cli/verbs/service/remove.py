"""`pexen service remove`: take a service away."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb
from pexen_state.cli.verbs.service.options import scope_option


@click.command(short_help="Stop a service and remove its units; the journal stays.")
@click.argument("service", metavar="NAME")
@scope_option
@verb
def remove(app: App, service: str, is_user: bool | None) -> int:
    """Stop the service NAME, and remove all that `install` has written. The journal stays where it is.

    What it runs is stopped first; `pexen resume` goes on with it.
    """
    from pexen_state.cli import services
    from pexen_state.cli.verbs.service.options import scope_of
    from pexen_state.service.installed import in_scope, named, on_this_box

    known = on_this_box(app.environ) if is_user is None else in_scope(scope_of(app, is_user))
    services.take_away(named(service, known), app.environ, app.console.out.line)
    return 0
