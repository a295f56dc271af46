"""What a process may have runs out while a run goes on: descriptors, processes, memory.

The session ends with a sentence, or an attempt fails that says what it lacked. Nobody is blamed for what others lack.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pexen_state import Sched, task
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool
from tests.crash import faults, suite
from tests.crash.aftermath import ask, leftovers, resume, violations
from tests.crash.faults import CLONES, Fault, inject
from tests.crash.sessions import Ended, Nursery

needs_strace = pytest.mark.skipif(faults.why_not() is not None, reason=str(faults.why_not()))


def goes_on(nursery: Nursery, directory: Path, session: Ended) -> None:
    assert leftovers(directory) == []
    assert list(violations(directory, [session, *resume(nursery, directory, "process")])) == []


def descriptors(pid: int, most: int) -> None:
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))


@pytest.mark.parametrize("most", [3, 5, 10, 15, 20])
def test_a_runner_that_may_open_nothing_more_ends_with_a_sentence(most: int, nursery: Nursery, tmp_path: Path) -> None:
    session = suite.start(nursery, tmp_path, "process", "--hold-after", "4")
    assert session.held(), session.wait().err
    descriptors(session.pid, most)
    session.go_on()
    ended = session.wait()

    assert ended.code in (0, suite.JOURNAL_FAILED), ended.err
    assert ended.code == 0 or ended.err.count("\n") == 1, ended.err
    goes_on(nursery, tmp_path, ended)


def test_a_keeper_that_may_open_nothing_more_is_replaced(nursery: Nursery, tmp_path: Path) -> None:
    session = suite.start(nursery, tmp_path, "process", "--hold-after", "4")
    assert session.held(), session.wait().err
    (keeper,) = map(int, Path(f"/proc/{session.pid}/task/{session.pid}/children").read_text().split())
    descriptors(keeper, 3)
    session.go_on()
    ended = session.wait()

    assert (ended.code, ended.err) == (0, "")
    assert list(violations(tmp_path, [ended])) == []


@needs_strace
def test_a_box_that_gives_no_process_any_more_ends_the_session(nursery: Nursery, tmp_path: Path) -> None:
    """The only worker that there is dies once."""
    was_hit, ended = inject(nursery, tmp_path, "process", Fault("keeper", CLONES, "error=EAGAIN"), "2+")

    assert was_hit
    assert ended.code == suite.JOURNAL_FAILED
    assert ended.err == "PoolError: no worker can be forked: Resource temporarily unavailable\n"
    goes_on(nursery, tmp_path, ended)


def test_attempts_whose_files_cannot_be_made_fail_and_the_others_run(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "journal.d").write_text("somebody has put a file there")

    ended = suite.start(nursery, tmp_path, "process").wait()

    assert (ended.code, ended.err) == (0, "")
    wrong = list(violations(tmp_path, [ended]))
    assert [one for one in wrong if not one.startswith(("shell/good ", "shell/bad "))] == []
    reasons = ask(tmp_path, "SELECT task, reason FROM tasks WHERE task LIKE 'shell/%' ORDER BY task")
    assert [task for task, _ in reasons] == ["shell/bad", "shell/good"]
    assert all(str(reason).startswith("its files cannot be made: Not a directory: ") for _, reason in reasons)


# -- a task that uses up what its worker may have


@contextmanager
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


_kept: list[int] = []


@task(name="leaks", priority=-1)
def leaks() -> None:
    while True:
        try:
            _kept.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return


def test_those_that_come_after_a_task_that_leaks_are_not_blamed(tmp_path: Path) -> None:
    tasks: list[object] = [leaks]
    for number in range(3):
        executable = Executable(["/bin/true"])
        assign_val(executable, name=f"after-{number}")
        tasks.append(executable)

    with few_descriptors():
        results = {one.key: one for one in Sched(tasks, journal=tmp_path / "journal.db").run(ProcessWorkerPool(1))}

    assert {key: (one.verdict, one.reason) for key, one in results.items()} == dict.fromkeys(results, ("pass", None))
    assert len(results) == 4
    assert ask(tmp_path, "SELECT task, cause FROM attempts WHERE cause NOT IN ('returned', 'withdrawn')") == []
