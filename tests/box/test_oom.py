"""What a service's unit says to the kernel about its runner does not hold for tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state.box.oom import OF_A_RUNNER, be_as_others


@pytest.mark.parametrize(("before", "after"), [(OF_A_RUNNER, "0"), (0, "0"), (-1000, "-1000"), (100, "100")])
def test_only_the_value_of_our_own_unit_is_taken_back(tmp_path: Path, before: int, after: str):
    file = tmp_path / "oom_score_adj"
    file.write_text(f"{before}")

    be_as_others(str(file))

    assert file.read_text()[: len(after)] == after


def test_where_there_is_no_such_file_nothing_happens(tmp_path: Path):
    be_as_others(str(tmp_path / "none"))
