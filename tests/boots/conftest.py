"""Boxes in namespaces, where this machine lets us have them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.boots import systemd
from tests.boots.box import is_on_disk
from tests.boots.machine import why_not
from tests.crash.sessions import Nursery


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    if (why := why_not()) is not None:
        pytest.skip(f"no namespaces of processes and mounts can be made here: {why}")
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def systemd_nursery() -> Iterator[Nursery]:
    if (why := why_not() or systemd.why_not()) is not None:
        pytest.skip(f"systemd cannot be the first process of namespaces here: {why}")
    with Nursery() as nursery:
        yield nursery


@contextmanager
def directory_on_disk(first: Path) -> Iterator[Path]:
    """An empty directory on a file system that survives a boot, as a journal has to be: the first, if it is."""
    if is_on_disk(first):
        yield first
        return
    made = Path(tempfile.mkdtemp(prefix="pexen-boots-", dir="/var/tmp"))
    try:
        if not is_on_disk(made):
            pytest.skip(f"neither {first} nor /var/tmp is on a disk")
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with directory_on_disk(tmp_path) as directory:
        yield directory
