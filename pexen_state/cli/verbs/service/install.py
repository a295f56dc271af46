"""`pexen service install`: write the units of a service, and enable them."""

from __future__ import annotations

from typing import Any

from pexen_state.cli.app import App, verb
from pexen_state.cli.verbs.service.options import service_command


@service_command("install", short_help="Make a service, or change one; say what is written.")
@verb
def install(app: App, service: str, targets: tuple[str, ...], **typed: Any) -> int:
    """Make a service that goes on with what is unfinished in its journal, now and after each boot.

    With --on-calendar it begins new runs of TARGET, too. The journal is --journal; else that of the service NAME, if
    there is one; else the usual one of TARGET, or of where you are; else one in /var/lib/pexen. What is typed is what
    the service is from then on: options of an earlier `install` that are not said again are gone.
    """
    from pexen_state.cli import services
    from pexen_state.cli.verbs.service.options import wanted
    from pexen_state.report.text import safe
    from pexen_state.service.systemctl import Systemctl

    asked, scope = wanted(app, service, targets, typed)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        app.console.out.line(text)

    installed = services.put_in_place(asked, scope, app.environ, say)
    if not said:
        app.console.out.line(f"{safe(installed.unit)} is as it should be: nothing was written")
    app.console.out.line(f"it goes on with what is unfinished in the journal {safe(asked.journal)}")
    if not Systemctl(scope, app.environ).is_there:
        app.console.out.line(f"no {scope.word} service manager runs here: it begins when one does")
    return 0
