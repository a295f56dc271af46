"""What every test stands on: an environment without a trace of the caller's own runs, and no clock in Hypothesis."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.cli.box import Box

# How long an example takes says something about the machine, not about pexen. What is red stays red;
# EXPLORE looks further.
settings.register_profile("pexen", deadline=None, derandomize="EXPLORE" not in os.environ)
settings.load_profile("pexen")

# A shell ignores these for what it runs in the background, and so would every pexen that a test starts.
for ignorable in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(ignorable) is signal.SIG_IGN:
        signal.signal(ignorable, signal.default_int_handler if ignorable is signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PEXEN_") or name in ("STATE_DIRECTORY", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """A journal with rows of every kind, to be looked at and not to be changed."""
    from tests.cli.nights import make

    return make(tmp_path_factory.mktemp("nights"))
