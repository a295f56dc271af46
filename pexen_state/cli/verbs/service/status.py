"""`pexen service status`: how one service stands."""

from __future__ import annotations

import shlex

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Show how a service stands.")
@click.argument("service", metavar="[NAME]", required=False)
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def status(app: App, service: str | None, as_json: bool) -> int:
    """Show how the service NAME stands; without NAME that of the journal that is found here."""
    from pexen_state.cli import journals
    from pexen_state.cli.verbs.service.standing import standing_of
    from pexen_state.report.tables import document
    from pexen_state.report.text import safe
    from pexen_state.service.errors import UnitError
    from pexen_state.service.installed import named, of_journal, on_this_box

    known = on_this_box(app.environ)
    if service is not None:
        found = named(service, known)
    else:
        path = journals.existing(app.journal)
        of_it = of_journal(path, known)
        if of_it is None:
            raise UnitError(f"the journal {safe(path)} has no service. `pexen service install NAME` makes one.")
        found = of_it
    about = standing_of(found, app.environ)
    out = app.console.out
    if as_json:
        out.line(document(service=about))
        return 0
    state = about["state"] if about["result"] in (None, "success") else f"{about['state']} ({about['result']})"
    out.line(f"{safe(about['unit'])} ({about['scope']}): {safe(state)}, {'' if about['enabled'] else 'not '}enabled")
    if about["status"]:
        out.line(f"  {safe(about['status'])}")
    out.line(f"  journal  {safe(about['journal'])}")
    if about["calendar"] is not None:
        when = f"  next {safe(about['next'])}" if about["next"] else ""
        out.line(f"  runs     {' '.join(map(safe, about['targets']))} at {safe(about['calendar'])}{when}")
    mine = " --user" if found.scope.is_user else ""
    out.line(f"  look     pexen --journal {safe(shlex.quote(f'@{found.service.name}'))} status")
    out.line(f"           journalctl{mine} -u {safe(shlex.quote(about['unit']))}")
    return 0
