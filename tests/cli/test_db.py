"""Looking after the journal: what each command of `pexen db` does, says, and refuses."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from pexen_state.journal.versions import REVISION
from pexen_state.sched.pool.tree import descendants, look_at
from tests.cli.box import COMMAND, Box
from tests.journal.test_half_written import half_written

OLD = Path(__file__).parents[1] / "journal" / "fixtures" / "journal-0001.db"


@pytest.fixture(scope="module")
def four_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    box = Box(tmp_path_factory.mktemp("four-runs"))
    box.script("suite/one", "echo hello")
    box.script("suite/two", "exit 1")
    for name in ("mine", "mine", "mine", "other"):
        box.pexen("run", "suite", "--name", name)
    return box.directory


@pytest.fixture
def runs(box: Box, four_runs: Path) -> Box:
    """Runs 1 to 3 of the suite `mine`, run 4 of another one."""
    shutil.copytree(four_runs, box.directory, symlinks=True, dirs_exist_ok=True)
    return box


def ids(box: Box, journal: Path | None = None) -> list[int]:
    return [run for (run,) in box.sql("SELECT id FROM runs ORDER BY id", journal)]


def output(box: Box) -> list[str]:
    return sorted(os.listdir(box.directory / ".pexen/journal.d"))


# -- prune


def test_old_runs_are_deleted_with_their_output(runs: Box):
    dry = runs.pexen("db", "prune", "--keep", "1", "-n")
    assert dry.code == 0
    assert [line.split()[:2] for line in dry.lines[:3]] == [["run", "suite"], ["1", "mine"], ["2", "mine"]]
    assert dry.lines[3:] == ["2 runs would be deleted, with their output; nothing was done"]
    assert ids(runs) == [1, 2, 3, 4]

    done = runs.pexen("db", "prune", "--keep", "1")

    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "2 runs deleted, with their output: 1 2. `pexen db vacuum` gives the space in the journal back.\n"
    )
    assert ids(runs) == [3, 4]
    assert output(runs) == ["run-3", "run-4"]
    assert runs.pexen("db", "check").code == 0
    assert runs.pexen("db", "prune", "--keep", "1").out == "no run was deleted\n"
    assert runs.pexen("db", "prune", "--keep", "1", "-n").out == "no run would be deleted; nothing was done\n"
    assert runs.pexen("show", "1").code == 2


def test_the_oldest_go_until_all_others_fit_into_a_size(runs: Box):
    for number in (1, 2, 3, 4):
        (next((runs.directory / f".pexen/journal.d/run-{number}").rglob("output.log"))).write_bytes(b"x" * (2 << 20))

    dry = runs.pexen("db", "prune", "--max-size", "5M", "-n")
    done = runs.pexen("db", "prune", "--max-size", "5M")
    again = runs.pexen("db", "prune", "--max-size", "5M")
    kept = runs.pexen("db", "prune", "--max-size", "1M", "--keep", "1")

    assert dry.lines[-2] == "2 runs would be deleted, with their output; nothing was done"
    assert re.fullmatch(r"what stays would take about 4\.\dM", dry.lines[-1])
    assert done.lines[0].startswith("2 runs deleted, with their output: 1 2.")
    assert re.fullmatch(r"what stays takes about 4\.\dM", done.lines[1])
    assert again.lines[0] == "no run was deleted"
    assert (kept.code, kept.out) == (0, "no run was deleted\n")
    assert re.fullmatch(r"pexen: what stays takes about 4\.\dM, more than 1M: nothing else may go\n", kept.err)
    assert ids(runs) == [3, 4]
    assert runs.pexen("db", "prune", "--max-size", "large").code == 2


def test_the_newest_may_go_and_its_number_goes_with_it(runs: Box):
    done = runs.pexen("db", "prune", "--suite", "other")

    assert done.out.startswith("1 run deleted, with its output: 4.")
    assert not os.path.lexists(runs.directory / ".pexen/latest")
    runs.pexen("run", "suite", "--name", "mine")
    assert ids(runs) == [1, 2, 3, 5]
    assert runs.pexen("logs", "5", "one").out == "hello\n"


def test_an_unfinished_run_stays_unless_that_is_said(box: Box):
    gate = box.gate()
    box.script("suite/one", gate.wait)
    with box.started("run", "suite", "--name", "mine") as running:
        gate.reached()
        busy = box.pexen("db", "prune", "--suite", "mine")
        dry = box.pexen("db", "prune", "--suite", "mine", "--dry-run")
        running.process.kill()
        running.process.wait()

    assert (busy.code, busy.out) == (6, "")
    assert re.search(r"is held by the process \d+, since", busy.err)
    assert dry.out == (
        "no run would be deleted; nothing was done; run 1 is unfinished and stays, unless --unfinished is said\n"
    )
    spared = box.pexen("db", "prune", "--older-than", "1ms")
    assert spared.out == "no run was deleted; run 1 is unfinished and stays, unless --unfinished is said\n"
    gone = box.pexen("db", "prune", "--keep", "0", "--unfinished")
    assert gone.out.startswith("1 run deleted, with its output: 1.")
    assert box.pexen("resume").code == 5
    assert output(box) == []


def test_what_still_runs_of_a_run_is_ended_before_the_run_is_forgotten(box: Box):
    gate = box.gate()
    box.script("suite/one", gate.wait)
    with box.started("run", "suite", "--name", "mine") as running:
        gate.reached()
        below = descendants(running.process.pid)
        (task,) = (one for one in below if one.name == "cat")
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: none gets to end another
            for pid in (running.process.pid, *(one.pid for one in below if one.pid != task.pid)):
                os.kill(pid, number)
        running.process.wait()
        assert os.path.exists(f"/proc/{task.pid}")

        dry = box.pexen("db", "prune", "--keep", "0", "--unfinished", "-n")
        spared = box.pexen("db", "prune", "--keep", "0")
        assert (dry.code, spared.code) == (0, 0)
        assert os.path.exists(f"/proc/{task.pid}")
        gone = box.pexen("db", "prune", "--keep", "0", "--unfinished")

    assert gone.out.startswith("1 run deleted, with its output: 1.")
    wait_until_gone(task.pid)


def wait_until_gone(pid: int) -> None:
    """A zombie is gone: whoever adopted it may take its time."""
    until = time.monotonic() + 10
    while (process := look_at(pid)) is not None and process.state not in "ZX":
        assert time.monotonic() < until, f"{process} still runs"
        time.sleep(0.02)


def test_output_that_a_killed_prune_left_goes_with_the_next(runs: Box):
    left = runs.directory / ".pexen/journal.d/run-1"
    shutil.copytree(left, runs.directory / "copy")
    runs.pexen("db", "prune", "--suite", "mine", "--keep", "2")
    shutil.copytree(runs.directory / "copy", left)

    checked = runs.pexen("db", "check")
    assert checked.code == 0
    assert checked.lines[0] == "run-1: output that no run has any more; the next `pexen db prune` removes it"
    assert runs.json("db", "check")["orphans"] == ["run-1"]
    dry = runs.pexen("db", "prune", "--suite", "mine", "--keep", "2", "-n")
    done = runs.pexen("db", "prune", "--suite", "mine", "--keep", "2")

    assert "output that no run has any more would be deleted, too: run-1" in dry.lines
    assert done.lines == ["no run was deleted", "output that no run had any more was deleted, too: run-1"]
    assert output(runs) == ["run-2", "run-3", "run-4"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("chattr"), reason="needs root, and chattr")
def test_output_that_cannot_be_removed_is_named(runs: Box):
    file = next((runs.directory / ".pexen/journal.d/run-1").rglob("output.log"))
    if subprocess.run(["chattr", "+i", file], capture_output=True).returncode:
        pytest.skip("this file system has no immutable files")

    done = runs.pexen("db", "prune", "--keep", "2")
    again = runs.pexen("db", "prune", "--keep", "2")
    (stays,) = (runs.directory / ".pexen/journal.d/run-1.pruned").rglob("output.log")
    subprocess.run(["chattr", "-i", stays], check=True)
    last = runs.pexen("db", "prune", "--keep", "2")

    assert done.code == again.code == 3
    assert done.out.startswith("1 run deleted")
    assert "output.log cannot be removed: Operation not permitted" in done.err
    assert "pexen: mend that, and prune again: it removes what is left" in again.err
    assert last.code == 0
    assert output(runs) == ["run-2", "run-3", "run-4"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say which runs are to go: --keep N, --older-than D, --max-size SIZE, --suite NAME, or several"),
        (["--unfinished"], "say which runs are to go"),
        (["--older-than", "soon"], "--older-than: 'soon' is not a duration"),
        (["--keep", "-1"], "Invalid value for '--keep'"),
        (["--suite", "mien"], "no run is of the suite 'mien'. The journal has: mine, other."),
    ],
)
def test_a_prune_that_is_not_clear_deletes_nothing(runs: Box, words: list[str], said: str):
    done = runs.pexen("db", "prune", *words)

    assert done.code == 2
    assert said in done.err
    assert len(ids(runs)) == 4


# -- backup and export


def test_a_backup_is_made_while_a_run_goes_on(box: Box):
    gate = box.gate()
    box.script("suite/one", gate.wait)
    with box.started("run", "suite", "--name", "mine") as running:
        gate.reached()
        named = box.pexen("db", "backup", "copy.db")
        dated = box.pexen("db", "backup")
        piped = subprocess.run(
            [*COMMAND, "db", "backup", "-"], cwd=box.directory, env=box.environment, capture_output=True
        )
        again = box.pexen("db", "backup", "copy.db")
        forced = box.pexen("db", "backup", "copy.db", "--force")
        exported = box.pexen("db", "export", "latest", "run.db")
        gate.let_go()
        assert running.ended().code == 0

    assert named.code == forced.code == dated.code == exported.code == 0
    assert re.fullmatch(r"\.pexen/journal\.db: copied to copy\.db, [\d.]+ KiB\n", named.out)
    (copy,) = re.findall(r"copied to (\.pexen/journal\.db\.backup-\d{4}-\d\d-\d\d-\d{6}),", dated.out)
    box.file("piped.db", piped.stdout)
    for name in ("copy.db", copy, "piped.db", "run.db"):
        journal = box.directory / name
        assert check(journal) == []
        assert box.sql("SELECT state FROM runs", journal) == [("unfinished",)]
    assert oct((box.directory / "copy.db").stat().st_mode & 0o777) == "0o600"
    assert (again.code, again.out) == (2, "")
    assert re.search(r"copy\.db is there already\. --force replaces it\.", again.err)


def test_a_backup_is_no_text_for_a_terminal(runs: Box):
    master, slave = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "db", "backup", "-"],
        cwd=runs.directory,
        env=runs.environment,
        stdout=slave,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(slave)
    os.close(master)

    assert done.returncode == 2
    assert done.stderr == ("pexen: a journal is no text for a terminal: name a file, or send standard output to one\n")


def test_an_export_is_a_journal_of_its_own(runs: Box):
    done = runs.pexen("db", "export", "mine", "2", "some.db")

    assert done.code == 0
    assert re.fullmatch(r"2 runs copied to some\.db, [\d.]+ KiB; the output of tasks is not in it\n", done.out)
    shown = runs.pexen("--journal", "some.db", "runs")
    assert [line.split()[:2] for line in shown.lines[1:]] == [["3", "mine"], ["2", "mine"]]
    assert runs.pexen("--journal", "some.db", "show", "2", "two").code == 0
    assert runs.pexen("--journal", "some.db", "db", "check").code == 0


def test_a_place_that_will_not_do_is_told(runs: Box):
    with closing(sqlite3.connect(runs.directory / "used.db")) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE a (b)")
        other.commit()
        for words, said in (
            (["db", "backup", "suite"], "suite is a directory. Name a file in it."),
            (["db", "backup", "no/such/copy.db"], "there is no directory "),
            (["db", "backup", ".pexen/journal.db", "--force"], "is the journal itself, or a part of it."),
            (["db", "backup", ".pexen/journal.db-wal"], "is the journal itself, or a part of it."),
            (["db", "backup", "used.db", "--force"], "used.db is a database that is in use, or was cut off."),
            (["db", "backup", "/proc/copy.db"], "no file can be made at /proc/copy.db"),
            (["db", "export", "latest"], "say which runs, and the file to be made: pexen db export latest run.db"),
            (["db", "export", "1", "2"], "'2' is a RUN, not a file to be made."),
            (["db", "export", "9", "run.db"], "the journal has no run 9."),
            (["db", "export", "mine", "suite"], "suite is a directory."),
        ):
            done = runs.pexen(*words)
            assert done.code == (3 if "/proc" in said else 2), done
            assert said in done.err
    (runs.directory / "left.db-wal").touch()
    done = runs.pexen("db", "backup", "left.db")
    assert "left.db-wal is there, and would become a part of" in done.err
    assert not (runs.directory / "run.db").exists()
    assert check(runs.journal) == []


# -- vacuum, upgrade, check


def test_a_vacuum_says_what_it_gave_back(runs: Box):
    runs.file("many.jobs", "".join(f"job-{number}: true\n" for number in range(300)))
    runs.pexen("run", "many.jobs", "-q")
    runs.pexen("db", "prune", "--suite", "many.jobs")

    done = runs.pexen("db", "vacuum")

    assert done.code == 0
    assert re.fullmatch(r"\.pexen/journal\.db: [\d.]+ KiB before, [\d.]+ KiB now, [\d.]+ KiB given back\n", done.out)
    assert runs.pexen("db", "check").code == 0
    assert re.fullmatch(r"\.pexen/journal\.db: [\d.]+ KiB before, [\d.]+ KiB now\n", runs.pexen("db", "vacuum").out)


def test_a_reader_that_stays_is_told_of(runs: Box):
    with closing(sqlite3.connect(runs.journal, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM runs").fetchone()
        done = runs.pexen("db", "vacuum")

    assert done.code == 0
    assert done.err == "pexen: somebody is reading it; the file shrinks when they have left and it is written again\n"


def test_an_old_journal_is_upgraded_after_a_backup(box: Box):
    box.journal.parent.mkdir()
    shutil.copy(OLD, box.journal)

    done = box.pexen("db", "upgrade")
    again = box.pexen("db", "upgrade")

    assert done.code == again.code == 0
    assert done.lines == [
        f".pexen/journal.db: upgraded from schema 0001 to {REVISION}",
        "what it was is in .pexen/journal.db.backup-0001; delete that when you do not need it any more",
    ]
    assert again.out == (
        f".pexen/journal.db: nothing to do, its schema is {REVISION}, the newest that this pexen knows\n"
    )
    assert box.sql("SELECT version_num FROM alembic_version", box.journal.with_name("journal.db.backup-0001")) == [
        ("0001",)
    ]
    assert box.pexen("db", "check").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["resume"],
        ["db", "upgrade"],
        ["db", "check"],
        ["db", "prune", "--keep", "1"],
        ["db", "vacuum"],
        ["db", "backup"],
    ],
)
def test_a_journal_that_a_kill_left_half_written_is_put_right_by_every_command(box: Box, words: list[str]):
    box.journal.parent.mkdir()
    shutil.copy(OLD, box.journal)
    if words[0] == "db" and words[1] != "upgrade":
        assert box.pexen("db", "upgrade").code == 0
    half_written(box.journal)

    done = box.pexen(*words)

    assert done.code == (1 if words == ["resume"] else 0), done.err  # a task of the run had failed
    assert box.pexen("db", "check").code == 0


def test_a_journal_of_a_newer_pexen_is_left_alone(runs: Box):
    with closing(sqlite3.connect(runs.journal)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    for words in (["upgrade"], ["vacuum"], ["prune", "--keep", "0"], ["backup", "copy.db"]):
        done = runs.pexen("db", *words)
        assert done.code == 3
        assert "was written by a newer pexen (its schema is 9999" in done.err
    assert not (runs.directory / "copy.db").exists()


@pytest.mark.parametrize(
    "words", [["upgrade"], ["check"], ["backup"], ["prune", "--keep", "1"], ["vacuum"], ["export", "1", "run.db"]]
)
def test_where_there_is_no_journal_there_is_nothing_to_look_after(box: Box, words: list[str]):
    done = box.pexen("db", *words)
    assert done.code == 3
    assert "there is no journal here" in done.err

    box.file("notes.db", "no database, but long enough to be looked at as if it were one, which SQLite does" * 9)
    done = box.pexen("--journal", "notes.db", "db", *words)
    assert done.code == 3
    assert "notes.db is no SQLite database, so it is no journal." in done.err
    assert sorted(os.listdir(box.directory)) == ["notes.db"]


def test_whoever_writes_waits_for_nobody_who_runs(box: Box):
    gate = box.gate()
    box.script("suite/one", gate.wait)
    with box.started("run", "suite") as running:
        gate.reached()
        vacuum = box.pexen("db", "vacuum")
        checked = box.pexen("db", "check")
        gate.let_go()
        running.ended()

    assert vacuum.code == 6
    assert "is held by the process" in vacuum.err
    assert checked.code == 0
