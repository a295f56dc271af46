"""What can go wrong with services."""

from __future__ import annotations

from pexen_state.util import PexenError


class UnitError(PexenError):
    """What was asked for cannot stand in a unit, or there is no such service."""


class SystemdError(PexenError):
    """systemd is not there, or has refused; or its files cannot be written."""
