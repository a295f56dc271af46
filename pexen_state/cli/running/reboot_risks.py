"""What of this box would hurt a run that may reboot it: said in one sentence, when such a run begins."""

from __future__ import annotations

from collections.abc import Sequence

from pexen_state.cli.app import App
from pexen_state.cli.doctor.examination import of_reboots
from pexen_state.cli.doctor.files import Files
from pexen_state.cli.doctor.finding import Finding
from pexen_state.cli.doctor.reading import kernel, systemd
from pexen_state.report.text import safe


def tell(app: App) -> None:
    # In this very thread, not as the doctor does it: processes are forked next.
    files = Files()
    if (said := sentence(of_reboots(kernel(files), systemd(files)))) is not None:
        app.console.say(said)


def sentence(found: Sequence[Finding]) -> str | None:
    """None if nothing would hurt it."""
    if not found:
        return None
    said = "; ".join(f"{one.what}: {one.says}" for one in found)
    return (
        "pexen: warning: --allow-reboot: this box may not come back by itself, or not know why it went down "
        f"({safe(said)}). `pexen doctor` says what mends it."
    )
