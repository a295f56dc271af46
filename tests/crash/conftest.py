"""What the crash tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.sessions import Nursery


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[int]:
    """A pipe that tasks write a line into: they open `tmp_path / "begun"`."""
    os.mkfifo(tmp_path / "begun")
    pipe = os.open(tmp_path / "begun", os.O_RDWR)  # opened for both, it waits for nobody
    yield pipe
    os.close(pipe)
