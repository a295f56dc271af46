"""A journal, and a runner that has it open: what most tests of the writer begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journal.telling import Runner


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def runner(path: Path) -> Iterator[Runner]:
    runner = Runner(path)
    yield runner
    runner.close(None)
