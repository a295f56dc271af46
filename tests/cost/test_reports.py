"""What a report costs grows with the run, and no faster: counted in calls of functions, and in bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pexen_state.report.formats.kinds import KINDS
from tests.cost import budgets
from tests.examples import ROOT

FEW, MANY, PARTS = 300, 3000, 10


def child(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.cost.reports", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    directory = tmp_path_factory.mktemp("reports")
    found = {tasks: directory / f"{tasks}.db" for tasks in (FEW, MANY)}
    for tasks, journal in found.items():
        child("make", tasks, PARTS, journal)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_of_ten_times_as_much_costs_ten_times_as_much(journals: dict[int, Path], kind: str):
    costs: dict[int, Any] = {tasks: json.loads(child(kind, journal, "profile")) for tasks, journal in journals.items()}

    for what in ("calls", "bytes"):
        few, many = (costs[tasks][what] / tasks for tasks in (FEW, MANY))
        assert many <= few * budgets.GROWTH_OF_REPORTS, (what, few, many)
