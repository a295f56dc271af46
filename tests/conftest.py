"""What every test stands on: an environment without a trace of the caller's own runs, and no clock in Hypothesis."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, not about pexen.
settings.register_profile("pexen", deadline=None)
settings.load_profile("pexen")


@pytest.fixture(autouse=True)
def no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PEXEN_") or name in ("STATE_DIRECTORY", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
