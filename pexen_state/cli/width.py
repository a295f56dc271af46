"""How wide tables may be: as wide as the terminal that they are for; as wide as they are, elsewhere."""

from __future__ import annotations

from pexen_state.cli.output import Stream


def width_of(stream: Stream) -> int | None:
    """Columns of a terminal; None for what is no terminal, where nothing is to be cut."""
    if not stream.is_terminal:
        return None
    import shutil

    return shutil.get_terminal_size().columns
