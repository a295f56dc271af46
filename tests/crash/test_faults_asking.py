"""Tasks that ask for something at the very moment from which on the journal cannot be written to.

Nothing that is not durable is acknowledged, and nothing is done because of it.
"""

from __future__ import annotations

import os
import resource
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pexen_state import Sched
from pexen_state.journal.errors import JournalWriteError
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.crash.aftermath import leftovers
from tests.journal.telling import sql

BOTH_POOLS = pytest.mark.parametrize("pool", [ProcessWorkerPool, ThreadWorkerPool])

#: What a task does to the journal: somebody's mistake, and a commit that fails while it is written.
DELETED, CUT_OFF = "rm journal.db-wal", f"prlimit --pid {os.getpid()} --fsize=65536:"
WAYS = pytest.mark.parametrize(
    "way",
    [
        DELETED,
        pytest.param(CUT_OFF, marks=pytest.mark.skipif(shutil.which("prlimit") is None, reason="there is no prlimit")),
    ],
    ids=["a file is deleted", "a commit fails"],
)


@contextmanager
def limits_put_back() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def sched(directory: Path, script: str, **options: object) -> Sched:
    """One task, which does what it does the first time only."""
    once = f"test ! -e once || exit 0; touch once; {script}"
    executable = Executable(["/bin/sh", "-c", once], cwd=str(directory))
    assign_val(executable, name="asks")
    return Sched([executable], journal=directory / "journal.db", **options)


@WAYS
@BOTH_POOLS
def test_a_checkpoint_that_was_not_committed_is_not_acknowledged(pool, way: str, tmp_path: Path):
    asks = sched(tmp_path, f"{way}; pexen checkpoint phase one 2>said; echo $? >status")

    with limits_put_back(), pytest.raises(JournalWriteError):
        list(asks.run(pool(workers=1)))

    assert (tmp_path / "status").read_text() == "1\n"
    assert (tmp_path / "said").read_text() == "pexen: the journal cannot be written: nothing is kept\n"
    assert leftovers(tmp_path) == []
    assert [result.verdict for result in asks.run(pool(workers=1))] == ["pass"]
    assert sql(tmp_path / "journal.db", "SELECT count(*) FROM checkpoint") == [(0,)]


@WAYS
@BOTH_POOLS
def test_a_reboot_that_was_not_committed_is_not_made(pool, way: str, tmp_path: Path):
    command = f"touch {shlex.quote(str(tmp_path / 'rebooted'))}"
    asks = sched(tmp_path, f"{way}; pexen reboot --mark half", may_reboot=True, reboot_command=command)

    with limits_put_back(), pytest.raises(JournalWriteError):
        list(asks.run(pool(workers=1)))

    assert not (tmp_path / "rebooted").exists()
    assert leftovers(tmp_path) == []
    assert [result.verdict for result in asks.run(pool(workers=1))] == ["pass"]
    assert sql(tmp_path / "journal.db", "SELECT reboots FROM runs") == [(0,)]
