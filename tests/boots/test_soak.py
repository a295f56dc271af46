"""The soak itself: two nights of it. What it has found in half an hour is in docs/reliability.md."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.boots import machine
from tests.crash.sessions import ROOT


def test_two_nights_of_outages_with_all_that_is_beside_them(disk: Path) -> None:
    if (why := machine.why_not()) is not None:
        pytest.skip(f"no namespaces of processes and mounts can be made here: {why}")
    words = ["--nights", "2", "--seed", "1", "--directory", str(disk / "soak")]

    done = subprocess.run([ROOT / "scripts" / "soak", *words], capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 things are wrong" in done.stdout
    assert "checks of backups" in done.stdout
