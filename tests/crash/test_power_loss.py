"""Whatever a disk has when the power goes, nothing is gone that was told.

More of it: POWER_LOSSES=5000 .venv/bin/python -m pytest tests/crash/test_power_loss.py
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.crash.losses import Losses

LOSSES = int(os.environ.get("POWER_LOSSES", "600"))

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_that_was_told_is_lost_and_the_run_goes_on_to_its_end(tmp_path: Path, seed: int):
    found = Losses(tmp_path, seed).of_run(losses=LOSSES // 3, resumed=LOSSES // 60)

    assert found.problems == []
    assert found.losses == LOSSES // 3
    assert found.resumed == LOSSES // 60
    print(f"{found.losses} losses, {found.told} results and values that had to be there, and were")
    assert found.told > 5 * LOSSES


def test_a_journal_that_does_not_wait_for_the_disk_loses_results(tmp_path: Path):
    found = Losses(tmp_path, seed=2, breakage="synchronous_normal").of_run(losses=100, resumed=0)

    assert any("is lost" in problem for problem in found.problems)
