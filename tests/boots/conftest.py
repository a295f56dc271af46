"""Boxes in namespaces, where this machine lets us have them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boots.box import is_on_disk
from tests.boots.machine import why_not
from tests.crash.sessions import Nursery


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    if (why := why_not()) is not None:
        pytest.skip(f"no namespaces of processes and mounts can be made here: {why}")
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty directory on a file system that survives a boot, as a journal has to be."""
    if is_on_disk(tmp_path):
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(prefix="pexen-boots-", dir="/var/tmp"))
    try:
        if not is_on_disk(made):
            pytest.skip(f"neither {tmp_path} nor /var/tmp is on a disk")
        os.chmod(made, 0o700)
        yield made
    finally:
        shutil.rmtree(made)
