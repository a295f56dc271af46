"""Executables for tests, and their end."""

from __future__ import annotations

import pytest

from pexen_state.sched.executable import Executable
from tests.sched.pools import Job, ProcessWorkerPool, ThreadWorkerPool, opened, run

both = pytest.mark.parametrize("kind", [ProcessWorkerPool, ThreadWorkerPool])


def sh(script: str, **how) -> Executable:
    return Executable(["/bin/sh", "-c", script], **how)


def end_of(executable: Executable, kind=ProcessWorkerPool, **fields):
    with opened([executable], kind) as pool:
        return run(pool, [Job(1, 1, executable, fields.pop("shared", {}), **fields)])[1]
