"""Runs that are deleted leave nothing behind but their numbers, which nobody gets again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pexen_state.core.inputs import PoolHasRoom
from pexen_state.journal.care.check import check
from pexen_state.journal.care.choosing import Chosen, Wish, choose
from pexen_state.journal.care.copies import copy
from pexen_state.journal.care.export import export
from pexen_state.journal.care.orphans import orphans
from pexen_state.journal.care.prune import Pruned, prune
from pexen_state.journal.care.sizes import Taken, taken
from pexen_state.journal.care.vacuum import vacuum
from pexen_state.journal.errors import JournalCorrupt, JournalError, JournalFull
from pexen_state.journal.lock import RunLock
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.queries import NotFound
from pexen_state.journal.reader import reader
from pexen_state.journal.records import AttemptEnd
from pexen_state.journal.schema import metadata
from tests.journal.telling import MIDNIGHT_US, Runner, change, sql
from tests.stories import raised, returned, spec

DAY_US = 86_400_000_000


def run(path: Path, name: str, *, parent: int | None = None, ends: bool = True, days: int = 0) -> int:
    """A run with everything that may hang on one, and output."""
    runner = Runner(path)
    runner.clock.now_us = MIDNIGHT_US + days * DAY_US
    runner.begin(spec("first", claims={"disk"}), spec("second", retries=1), spec("third"), name=name, room=2)
    runner.turn(returned("first"), raised("second"), left={"first": AttemptEnd(1, 4711, ret_json=f'"{"x" * 20_000}"')})
    if ends:
        runner.turn(PoolHasRoom(2))
        runner.turn(returned("second"))
        runner.turn(returned("third"))
        runner.journal.end_run("finished")
    runner.close("finished" if ends else None)
    number = runner.run
    base = number << 24
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE run SET parent = ? WHERE id = ?", (parent, number))
        (attempt,) = connection.execute(
            "SELECT max(seq) FROM transition WHERE new = 2 AND task > ?", (base,)
        ).fetchone()
        (session,) = connection.execute("SELECT max(id) FROM session WHERE run = ?", (number,)).fetchone()
        connection.execute("INSERT INTO result(attempt, name, verdict, at_us) VALUES (?, 'part', 3, 1)", (attempt,))
        connection.execute(
            "INSERT INTO checkpoint(task, attempt, key, at_us) VALUES (?, ?, 'where', 1)", (base + 1, attempt)
        )
        connection.execute("INSERT INTO fact(session, name) VALUES (?, 'arch')", (session,))
    task = Path(JournalPaths.of(path).task_dir(number, "first", 1), "1")
    task.mkdir(parents=True)
    (task / "output.log").write_text(name)
    return number


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Runs 1 to 4 of two suites in turns, a day apart; 5 runs 3 again; 6 is unfinished."""
    path = tmp_path / "journal.db"
    for day, name in enumerate(("nightly", "daily", "nightly", "daily")):
        run(path, name, days=day)
    run(path, "nightly", parent=3, days=4)
    run(path, "weekly", ends=False, days=5)
    return path


def pruned(path: Path, *runs: int) -> Pruned:
    with RunLock.acquire(path) as lock:
        return prune(lock, runs)


def rows(path: Path) -> dict[str, int]:
    return {table: sql(path, f"SELECT count(*) FROM {table}")[0][0] for table in metadata.tables}


def directories(path: Path) -> list[str]:
    return sorted(os.listdir(JournalPaths.of(path).dir))


def test_a_run_goes_with_its_rows_and_its_output_and_the_others_stay(path: Path):
    before = rows(path)
    told = sql(path, "SELECT * FROM transitions WHERE run NOT IN (1, 4)")

    done = pruned(path, 1, 4)

    assert done == Pruned((1, 4), (), ())
    assert sql(path, "SELECT id, parent FROM runs") == [(2, None), (3, None), (5, 3), (6, None)]
    assert directories(path) == ["run-2", "run-3", "run-5", "run-6"]
    assert sql(path, "SELECT * FROM transitions") == told
    assert check(path) == []
    for table, count in rows(path).items():
        if table not in ("alembic_version", "pruned"):
            assert 0 < count < before[table], table


def test_every_table_is_thought_of(path: Path):
    pruned(path, 1, 2, 3, 4, 5, 6)

    left = {table for table, count in rows(path).items() if count}
    assert left == {"alembic_version", "pruned"}
    assert directories(path) == []
    assert check(path) == []


def test_a_run_whose_parent_went_has_none(path: Path):
    pruned(path, 3)

    assert sql(path, "SELECT parent FROM runs WHERE id = 5") == [(None,)]
    assert sql(path, "PRAGMA foreign_key_check") == []


@pytest.mark.parametrize("gone", [(6,), (5, 6), (1, 2, 3, 4, 5, 6)])
def test_numbers_are_never_used_again(path: Path, gone: tuple[int, ...]):
    (last,) = sql(path, "SELECT max(seq) FROM transition")[0]
    (session,) = sql(path, "SELECT max(id) FROM session")[0]

    pruned(path, *gone)
    pruned(path, *({1, 2} - set(gone)))  # what was the highest is known for good
    number = run(path, "weekly", days=9)

    assert number == 7
    assert sql(path, "SELECT id FROM session WHERE run = 7") == [(session + 1,)]
    assert sql(path, "SELECT min(seq) FROM run_event WHERE run = 7")[0][0] > last
    assert sql(path, "SELECT min(first_seq) FROM session WHERE run = 7")[0][0] > last
    assert len(sql(path, "SELECT * FROM attempts WHERE run = 7")) == 4
    assert check(path) == []


def test_an_older_run_that_was_gone_on_with_last_leaves_its_numbers_too(tmp_path: Path):
    path = tmp_path / "journal.db"
    run(path, "old", ends=False)
    run(path, "new")
    again = Runner(path)
    again.go_on(room=2)
    again.turn(returned("second"))
    again.turn(returned("third"))
    again.journal.end_run("finished")
    again.close("finished")
    (last,) = sql(path, "SELECT max(seq) FROM transition")[0]

    pruned(path, 1)
    assert run(path, "new") == 3

    assert sql(path, "SELECT min(seq) FROM run_event WHERE run = 3")[0][0] > last
    assert check(path) == []


def test_a_run_goes_on_after_others_were_deleted(path: Path):
    pruned(path, 1, 2, 3, 4, 5)

    again = Runner(path)
    again.go_on(room=2)
    again.turn(returned("second"))
    again.turn(returned("third"))
    again.journal.end_run("finished")
    again.close("finished")

    assert sql(path, "SELECT run, state FROM tasks") == [(6, "succeeded")] * 3
    assert check(path) == []


KILLED = """
import os, signal, sys
from pexen_state.journal.care import prune
from pexen_state.journal.lock import RunLock
step = sys.argv[2]
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
if step == "rows": prune.delete_runs = lambda *a, was=prune.delete_runs: (was(*a), die())
if step == "output": prune.remove_tree = die
with RunLock.acquire(sys.argv[1]) as lock:
    prune.prune(lock, [1, 2])
"""


@pytest.mark.parametrize(("step", "runs"), [("rows", 6), ("output", 4)])
def test_a_kill_leaves_all_or_nothing_and_the_next_prune_removes_the_rest(path: Path, step: str, runs: int):
    killed = subprocess.run([sys.executable, "-c", KILLED, path, step], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert len(sql(path, "SELECT id FROM runs")) == runs
    assert directories(path) == [f"run-{number}" for number in range(1, 7)]
    assert check(path) == []
    with reader(path) as connection:
        left = orphans(connection, path)
    assert left == ([] if step == "rows" else ["run-1", "run-2"])
    assert pruned(path).orphans == tuple(left)
    assert len(directories(path)) == runs


def test_a_directory_of_a_run_that_there_never_was_is_left_alone(path: Path):
    for name in ("run-77", "run-01", "runs", "run-1.bak"):
        Path(JournalPaths.of(path).dir, name).mkdir()

    done = pruned(path, 1)

    assert done.orphans == ()
    assert directories(path)[:3] == ["run-01", "run-1.bak", "run-2"]
    assert "run-77" in directories(path)


def test_a_link_to_the_newest_output_goes_with_it(path: Path):
    link = path.with_name("latest")
    link.symlink_to("journal.d/run-6")

    pruned(path, 1)
    assert link.is_symlink()
    pruned(path, 6)
    assert not link.is_symlink()


def test_damage_is_left_as_it_is(path: Path):
    change(path, "DELETE FROM transition WHERE seq = (SELECT min(seq) FROM transition WHERE new = 2)")
    before = rows(path)

    with pytest.raises(JournalCorrupt, match=r"nothing was deleted; see `pexen db check`"):
        pruned(path, 6)

    assert rows(path) == before


# -- which ones


@pytest.mark.parametrize(
    ("wish", "runs", "spared"),
    [
        (Wish(suite="nightly"), [1, 3, 5], []),
        (Wish(keep=1), [1, 2, 3], []),
        (Wish(keep=0), [1, 2, 3, 4, 5], [6]),
        (Wish(keep=0, unfinished=True), [1, 2, 3, 4, 5, 6], []),
        (Wish(suite="nightly", keep=2), [1], []),
        (Wish(older_than=3.5 * 86400), [1, 2], []),
        (Wish(older_than=0.5 * 86400, keep=1), [1, 2, 3], []),
        (Wish(suite="daily", older_than=86400 * 90), [], []),
        (Wish(suite="weekly"), [], [6]),
    ],
)
def test_a_run_goes_if_all_that_is_said_fits(path: Path, wish: Wish, runs: list[int], spared: list[int]):
    with reader(path) as connection:
        assert choose(connection, JournalPaths.of(path), wish, MIDNIGHT_US + 5 * DAY_US) == Chosen(runs, spared)


def test_a_suite_that_there_is_not_is_a_mistake(path: Path):
    with reader(path) as connection, pytest.raises(NotFound, match=r"The journal has: daily, nightly, weekly\."):
        choose(connection, JournalPaths.of(path), Wish(suite="nigthly"), MIDNIGHT_US)


# -- by size


def fill(path: Path, mebibytes: dict[int, int]) -> None:
    """Give runs more output, by their numbers."""
    for number, size in mebibytes.items():
        Path(JournalPaths.of(path).task_dir(number, "first", 1), "1", "output.log").write_bytes(b"x" * (size << 20))


def sizes(path: Path) -> Taken:
    with reader(path) as connection:
        return taken(connection, JournalPaths.of(path))


def test_a_run_takes_its_output_and_its_share_of_the_rows(path: Path):
    before = sizes(path)
    fill(path, {2: 3})
    Path(JournalPaths.of(path).run_dir(3), "gone").symlink_to("/")  # what a link leads to is not ours

    after = sizes(path)

    grown = {run: after.by_run[run] - before.by_run[run] for run in before.by_run}
    assert 3 << 20 <= grown.pop(2) + 4096 <= (3 << 20) + 65536
    assert max(grown.values()) <= 4096
    assert sum(after.by_run.values()) <= after.total <= sum(after.by_run.values()) + 65536
    assert after.by_run[1] > os.path.getsize(path) / 12  # it has a sixth of the rows, or about that


@pytest.mark.parametrize(
    ("wish", "runs", "spared", "mebibytes"),
    [
        (Wish(max_size=100 << 20), [], [], 10),
        (Wish(max_size=19 << 19), [1], [], 9),
        (Wish(max_size=6 << 20), [1, 2, 3], [], 5),
        (Wish(max_size=6 << 20, keep=1), [1, 2, 3], [], 5),
        (Wish(max_size=6 << 20, suite="nightly"), [1, 3, 5], [], 5),
        (Wish(max_size=1 << 20, suite="nightly", keep=1), [1, 3], [], 8),  # more may not go
        (Wish(max_size=1), [1, 2, 3, 4, 5], [6], 1),
        (Wish(max_size=1, unfinished=True), [1, 2, 3, 4, 5, 6], [], 0),
    ],
)
def test_the_oldest_go_until_the_others_are_small_enough(
    path: Path, wish: Wish, runs: list[int], spared: list[int], mebibytes: int
):
    fill(path, {1: 1, 2: 3, 3: 1, 4: 1, 5: 3, 6: 1})

    with reader(path) as connection:
        chosen = choose(connection, JournalPaths.of(path), wish, MIDNIGHT_US + 6 * DAY_US)

    assert chosen[:2] == (runs, spared)
    assert chosen.stays is not None
    assert mebibytes << 20 <= chosen.stays < (mebibytes + 1) << 20
    pruned(path, *chosen.runs)
    # The rows of those that stay take no more than they did: their share was estimated.
    assert abs(sizes(path).total - chosen.stays) < 1 << 20


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    output=st.lists(st.integers(0, 40), min_size=6, max_size=6),
    limit=st.integers(1, 150),
    keep=st.none() | st.integers(0, 3),
    unfinished=st.booleans(),
)
def test_nothing_goes_that_could_stay_and_nothing_newer_before_what_is_older(
    path: Path, output: list[int], limit: int, keep: int | None, unfinished: bool
):
    paths = JournalPaths.of(path)
    for number, size in enumerate(output, 1):
        Path(paths.task_dir(number, "first", 1), "1", "output.log").write_bytes(b"x" * (size << 12))

    with reader(path) as connection:
        all_that_may, _, _ = choose(connection, paths, Wish(keep=keep, max_size=1, unfinished=unfinished), 0)
        size = taken(connection, paths)
        chosen = choose(connection, paths, Wish(keep=keep, max_size=limit << 12, unfinished=unfinished), 0)

    assert chosen.runs == all_that_may[: len(chosen.runs)]
    assert chosen.stays == size.total - sum(size.by_run[run] for run in chosen.runs)
    if chosen.runs:
        assert chosen.stays + size.by_run[chosen.runs[-1]] > limit << 12
    if len(chosen.runs) < len(all_that_may):
        assert chosen.stays <= limit << 12


# -- copies and space


def test_an_export_is_a_journal_with_just_these_runs_and_their_numbers(path: Path, tmp_path: Path):
    target = tmp_path / "some.db"
    with reader(path) as connection:
        written = export(connection, [2, 5], str(target))

    assert written == target.stat().st_size < path.stat().st_size
    assert sql(target, "SELECT id, name, parent FROM runs") == [(2, "daily", None), (5, "nightly", None)]
    assert sql(target, "SELECT * FROM transitions") == sql(path, "SELECT * FROM transitions WHERE run IN (2, 5)")
    assert check(target) == []
    assert oct(target.stat().st_mode & 0o777) == "0o600"
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith("some")) == ["some.db"]
    assert run(target, "another") == 7, "its runs would not be taken for others if both were asked together"


def test_a_copy_is_consistent_while_somebody_writes(path: Path, tmp_path: Path):
    runner = Runner(path)
    runner.begin(*(spec(f"task-{number}") for number in range(50)), name="busy")
    for number in range(25):
        runner.turn(returned(f"task-{number}"), PoolHasRoom(1))
    with reader(path) as connection:
        copy(connection, str(tmp_path / "copy.db"))
    for number in range(25, 50):
        runner.turn(returned(f"task-{number}"), PoolHasRoom(1))
    runner.close("stopped")

    assert check(tmp_path / "copy.db") == []
    assert sql(tmp_path / "copy.db", "SELECT count(*) FROM tasks WHERE run = 7 AND state = 'succeeded'") == [(25,)]


def test_a_copy_takes_away_what_a_killed_one_left_even_if_it_fails_itself(path: Path, tmp_path: Path):
    for part in ("", "-journal", "-wal", "-shm"):
        (tmp_path / f"copy.db.partial{part}").write_bytes(b"of a copy that was killed")
    source = sqlite3.connect(path)
    source.close()

    with pytest.raises(JournalError):
        copy(source, str(tmp_path / "copy.db"))

    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith("copy")) == []


def test_a_vacuum_gives_back_what_deleted_runs_had(path: Path):
    pruned(path, 1, 2, 3, 4, 5)
    with RunLock.acquire(path) as lock:
        sizes = vacuum(lock)

    assert sizes.is_done
    assert sizes.after == path.stat().st_size < sizes.before
    assert check(path) == []


def test_a_vacuum_is_not_begun_where_there_is_no_room_for_it(path: Path, monkeypatch: pytest.MonkeyPatch):
    before = path.read_bytes()
    disk = os.statvfs(path.parent)
    full = os.statvfs_result((*disk[:3], 0, 0, *disk[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)

    with RunLock.acquire(path) as lock, pytest.raises(JournalFull, match=r"0 bytes free, and the journal is written"):
        vacuum(lock)

    assert path.read_bytes() == before


def test_a_vacuum_says_if_somebody_still_reads(path: Path, monkeypatch: pytest.MonkeyPatch):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM run").fetchone()
        with RunLock.acquire(path) as lock:
            sizes = vacuum(lock)

    assert not sizes.is_done
    assert check(path) == []
