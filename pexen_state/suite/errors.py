"""What a person, or a program, asked for and cannot have."""

from __future__ import annotations

from pexen_state.util import PexenError


class UsageError(PexenError):
    """What was typed, or a setting, cannot be used."""


class NothingToDo(PexenError):
    """There is nothing selected, or nothing to resume."""
