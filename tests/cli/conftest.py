"""One box for each test."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pexen_state.box.mounts import VOLATILE, kind_of
from tests.cli.box import Box


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    for gate in box.gates:
        gate.let_go()


@pytest.fixture
def alone(box: Box, tmp_path: Path) -> tuple[str, ...]:
    """What makes a command have the locks of a box of its own, whatever else this machine runs meanwhile."""
    locks = tmp_path / "locks"
    locks.mkdir()
    words = ("unshare", "--mount", "sh", "-c", f"mount --bind '{locks}' /run/lock && exec \"$@\"", "sh")
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets us make no name spaces of mounts")
    if kind_of(str(box.directory)) in VOLATILE:
        pytest.skip("temporary files are on a file system that does not survive a reboot")
    return words
