"""An upgrade that is killed at any of its steps leaves the old journal or the new one, and no backup that is half.

A check tries a seeded sample of the steps; `scripts/torture` tries all of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import faults
from tests.crash.upgrades import UPGRADES, Upgrade, instants, sample, try_instant

SOME = 2  #: of each call

pytestmark = pytest.mark.skipif(faults.why_not() is not None, reason=str(faults.why_not()))


@pytest.mark.parametrize("upgrade", UPGRADES, ids=str)
def test_an_upgrade_killed_at_some_steps_leaves_the_old_or_the_new(upgrade: Upgrade, tmp_path: Path) -> None:
    steps = instants(upgrade, tmp_path / "whole")
    tried = sample(upgrade, steps, SOME)

    assert {"pwrite64", "fsync", "rename", "unlink"} <= {step.call for step in tried}
    assert [wrong for step in tried for wrong in try_instant(upgrade, step, tmp_path / str(step))] == []
