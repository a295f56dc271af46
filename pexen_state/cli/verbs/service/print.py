"""`pexen service print`: what `install` would write."""

from __future__ import annotations

import os
from typing import Any

from pexen_state.cli.app import App, verb
from pexen_state.cli.verbs.service.options import service_command


@service_command("print", short_help="Show what `install` would write; write nothing.")
@verb
def print_units(app: App, service: str, targets: tuple[str, ...], **typed: Any) -> int:
    """Show the units that `pexen service install` would write with the same words. Nothing is written."""
    from pexen_state.cli.verbs.service.options import wanted
    from pexen_state.report.text import safe
    from pexen_state.service import units

    asked, scope = wanted(app, service, targets, typed)
    for number, (name, text) in enumerate(units.texts(asked).items()):
        if number:
            app.console.out.line()
        app.console.out.line(f"# {safe(os.path.join(scope.directory, name))}")
        for line in text.splitlines():
            app.console.out.line(safe(line))
    return 0
