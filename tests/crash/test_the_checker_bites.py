"""The checks of the crash tests, tried on runners that are broken on purpose.

Each test proves both: the runner as it is passes, and the broken one is caught, at the same place.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash import faults, misbehaving, suite
from tests.crash.aftermath import ask, leftovers, resume, violations, wait_for_the_keeper
from tests.crash.breakages import ALL
from tests.crash.sessions import Ended, Nursery, Session

needs_strace = pytest.mark.skipif(faults.why_not() is not None, reason=str(faults.why_not()))

#: More commits than any session of the suite makes.
MOST_COMMITS = 40


def broken_by(breakage: str | None) -> list[str]:
    return ["--break", breakage] if breakage else []


# == killed at a commit ==================================================================================


def found_after_a_kill(nursery: Nursery, directory: Path, when: str, commit: int, *options: str) -> list[str] | None:
    """What the checks find after a kill at this commit, and a resume; None if there are fewer commits."""
    directory.mkdir()
    sessions = [suite.start(nursery, directory, "process", f"--kill-{when}-commit", str(commit), *options).wait()]
    if sessions[0].code == 0:
        return None
    assert sessions[0].was_killed, sessions[0].err
    try:
        sessions += resume(nursery, directory, "process", *options)
    except AssertionError as error:
        return [str(error)]
    return list(violations(directory, sessions))


@pytest.mark.parametrize(
    ("breakage", "when", "expected"),
    [
        ("acknowledge_before_commit", "before", "started again after its result was given"),
        ("hand_over_before_commit", "before", "ran twice"),
        ("slot_file_ignored", "after", "ran twice"),
        ("replay_forgets_shared", "after", "in shared, not"),
        ("replay_forgets_kept_locks", "after", "needs-clean ended as succeeded pass"),
    ],
)
def test_kills_at_commits_find_it(breakage: str, when: str, expected: str, nursery: Nursery, tmp_path: Path) -> None:
    for commit in range(1, MOST_COMMITS):
        found = found_after_a_kill(nursery, tmp_path / f"broken-{commit}", when, commit, *broken_by(breakage))
        assert found is not None, "no kill at any commit found it"
        if any(expected in one for one in found):
            break

    assert found_after_a_kill(nursery, tmp_path / "as-it-is", when, commit) == []


# == several at once =====================================================================================


def how_many_work(nursery: Nursery, directory: Path, *options: str) -> int:
    """Of four that resume at once, those that have the journal open. Does not wait for a third."""
    directory.mkdir()
    killed = suite.start(nursery, directory, "process", "--kill-after-commit", "4").wait()
    assert killed.was_killed
    sessions = [suite.start(nursery, directory, "process", "--hold", "opened", *options) for _ in range(4)]
    working: set[Session] = set()
    unknown = set(sessions)
    while unknown and len(working) < 2:
        for session in [one for one in unknown if one.has_said(within=0.05)]:
            unknown.discard(session)
            if session.held():
                working.add(session)
    for session in sessions:
        session.kill()
        session.wait()
    return len(working)


def test_resumers_at_once_find_that_there_is_no_lock(nursery: Nursery, tmp_path: Path) -> None:
    assert how_many_work(nursery, tmp_path / "as-it-is") == 1
    assert how_many_work(nursery, tmp_path / "broken", "--break", "no_run_lock") > 1


def meddled_with(nursery: Nursery, directory: Path, *options: str) -> tuple[Ended, object]:
    """A session beside which somebody else says that a task was cancelled, and what the journal says of it then."""
    directory.mkdir()
    session = suite.start(nursery, directory, "process", "--hold", "opened", *options)
    assert session.held(), session.wait().err
    with closing(sqlite3.connect(directory / "journal.db")) as meddler, meddler:
        meddler.execute("UPDATE task SET state = 10 WHERE key = 'cleanup'")
    session.go_on()
    ended = session.wait()
    ((state,),) = ask(directory, "SELECT state FROM tasks WHERE task = 'cleanup'")
    return ended, state


def test_somebody_who_meddles_finds_that_nothing_is_compared(nursery: Nursery, tmp_path: Path) -> None:
    ended, state = meddled_with(nursery, tmp_path / "as-it-is")
    assert ended.code == suite.JOURNAL_FAILED
    assert re.match("JournalConflict: cleanup: .* Nothing was written", ended.err), ended.err
    assert state == "cancelled"

    ended, state = meddled_with(nursery, tmp_path / "broken", "--break", "no_compare_and_swap")
    assert ended.code == 0, ended.err
    assert state == "succeeded"


def beside_a_writer(nursery: Nursery, directory: Path, *options: str) -> Ended:
    """A session that begins while somebody else is in the middle of writing, and is done when it waits for that."""
    directory.mkdir()
    killed = suite.start(nursery, directory, "process", "--kill-after-commit", "4").wait()
    assert killed.was_killed
    wait_for_the_keeper(directory)
    with closing(sqlite3.connect(directory / "journal.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        session = suite.start(nursery, directory, "process", *options)
        while not session.has_ended(within=0.05) and not waits_for_sqlite(session.pid):
            pass
        writer.execute("ROLLBACK")
    ended = session.wait()
    assert ended.code != 0 or list(violations(directory, [killed, ended])) == []
    return ended


def waits_for_sqlite(pid: int) -> bool:
    """Whether a process is asleep, as SQLite is between two tries to get a lock."""
    return "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()


def test_a_writer_at_the_same_time_finds_that_transactions_are_deferred(nursery: Nursery, tmp_path: Path) -> None:
    if Path(f"/proc/{nursery.pid}/wchan").read_text() == "0":
        pytest.skip("this machine does not tell where a process sleeps")
    assert beside_a_writer(nursery, tmp_path / "as-it-is").code == 0

    broken = beside_a_writer(nursery, tmp_path / "broken", "--break", "deferred_transactions")
    assert broken.code == suite.JOURNAL_FAILED
    assert "another program writes to the journal" in broken.err


# == what is left alive ==================================================================================


@pytest.mark.parametrize("breakage", [None, "keeper_lets_workers_live"])
def test_a_kill_of_the_runner_finds_a_keeper_that_lets_workers_live(
    breakage: str | None, nursery: Nursery, tmp_path: Path, begun: int
) -> None:
    session = misbehaving.start(nursery, tmp_path, "lasting", *broken_by(breakage))
    misbehaving.wait_for_all(begun)
    session.kill()
    session.wait()
    wait_for_the_keeper(tmp_path)

    left = leftovers(tmp_path)
    for one in left:
        os.kill(int(one.partition(":")[0]), signal.SIGKILL)
    assert bool(left) == bool(breakage)


# == what reaches the disk, and when =====================================================================


def acts_before_the_flush(nursery: Nursery, directory: Path, *options: str) -> list[str]:
    """What the runner let others see while something that it had written was not flushed yet."""
    directory.mkdir()
    session = suite.start(nursery, directory, "process", "--hold", "runner", *options)
    calls = "trace=pwrite64,fdatasync,write,sendto,sendmsg"
    with faults.traced(session.held(), "-y", "-o", str(directory / "strace"), "-e", calls):
        session.go_on()
        assert session.wait().code == 0, session.wait().err
    return list(_acts(directory / "strace"))


def _acts(trace: Path) -> Iterator[str]:
    is_flushed = True
    is_running = False
    for line in trace.read_text().splitlines():
        call = line.partition("(")[0]
        if call in ("pwrite64", "fdatasync") and "journal.db-wal>" in line:
            is_flushed = call == "fdatasync"
            is_running = True
        elif is_running and not is_flushed and ("witness.log>" in line or call.startswith("send")):
            yield line


@needs_strace
def test_flushes_are_looked_at_and_find_that_commits_do_not_wait_for_the_disk(nursery: Nursery, tmp_path: Path) -> None:
    assert acts_before_the_flush(nursery, tmp_path / "as-it-is") == []
    assert acts_before_the_flush(nursery, tmp_path / "broken", "--break", "synchronous_normal") != []


def test_every_breakage_is_tried_here() -> None:
    text = Path(__file__).read_text()

    assert [name for name in ALL if f'"{name}"' not in text] == []
