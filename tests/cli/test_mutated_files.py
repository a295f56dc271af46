"""Whatever happened to a settings file or a task list: a sentence with file and line, exit code 2, no journal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.cli.mutants import KINDS, all_tried, lay_out
from tests.cli.typed import typed

MUTANTS = 1000


def test_a_good_file_is_a_good_file(tmp_path: Path):
    lay_out(tmp_path)
    for kind in KINDS:
        done = typed(tmp_path, "run", "-n", *kind.words)
        assert done.code == 0, done.err


def test_every_mutant_is_refused_with_file_and_line(tmp_path: Path):
    lay_out(tmp_path)
    ended: Counter[str] = Counter()
    for one in all_tried(tmp_path, 20191):
        assert one.wrong is None, one.wrong
        ended["refused" if one.was_refused else "good"] += 1  # a file with a meaning, or without a single task
        if ended["refused"] == MUTANTS:
            break
    assert ended["good"] < MUTANTS, ended
    assert not list(tmp_path.rglob("*.db")), "a journal was made"
    assert not list(tmp_path.rglob(".pexen"))
