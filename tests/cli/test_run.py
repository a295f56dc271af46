"""`pexen run`: what may be a target, what its tasks are called, what the run says, and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.box import COMMAND as COMMAND_WORDS
from tests.cli.box import Box

KEYS = "SELECT task FROM tasks ORDER BY number"


def keys(box: Box, journal: Path | None = None) -> list[str]:
    return [key for (key,) in box.sql(KEYS, journal)]


def test_a_tree_runs_and_its_exit_statuses_are_read_as_automake_does(box: Box):
    box.script("suite/a/pass")
    box.script("suite/b/fail.sh", "echo first; echo why >&2; exit 3")
    box.script("suite/b/skip", "exit 77")
    box.script("suite/c", "exit 99")
    box.file("suite/README", "no executable")

    done = box.pexen("run", "suite")

    assert done.code == 1
    assert box.sql("SELECT task, state, verdict, reason FROM tasks ORDER BY task") == [
        ("suite/a/pass", "succeeded", "pass", None),
        ("suite/b/fail.sh", "failed", "fail", "exit 3"),
        ("suite/b/skip", "skipped", "skip", "exit 77"),
        ("suite/c", "failed", "error", "exit 99"),
    ]
    header, *lines = done.lines
    assert "run 1" in header
    assert f"suite {box.directory.name}/suite" in header
    assert "4 tasks  1 worker (process pool)  timeout 1h  journal .pexen/journal.db" in header
    failed = next(number for number, line in enumerate(lines) if line.startswith("  FAIL"))
    assert "suite/b/fail.sh  exit 3  pexen logs suite/b/fail.sh" in lines[failed]
    assert lines[failed + 1 : failed + 3] == ["         | first", "         | why"]
    assert lines[-1] == "See what failed: pexen logs 1 --failed"
    assert done.err == ""


def test_nothing_but_passes_skips_and_warnings_is_a_success(box: Box):
    box.script("suite/a")
    box.script("suite/b", "exit 77")

    done = box.pexen("run", "suite")

    assert done.code == 0
    assert "run 1: 2 tasks: 1 pass, 1 skip; in" in done.out


def test_however_a_target_is_typed_its_tasks_have_one_key(box: Box):
    box.file("proj/pexen.toml", "")
    box.script("proj/net/dhcp/renew")

    for number, (cwd, typed) in enumerate(
        [("proj", "."), ("proj", "net/"), (".", "proj/net"), ("proj/net/dhcp", "renew"), ("proj/net", "../net/dhcp")]
    ):
        journal = box.directory / f"{number}.db"
        assert box.pexen("run", "--journal", str(journal), typed, cwd=cwd).code == 0
        assert keys(box, journal) == ["net/dhcp/renew"]


def test_targets_that_overlap_give_a_task_once(box: Box):
    box.script("suite/one")
    box.script("suite/deep/two")

    assert box.pexen("run", "suite", "suite/deep", "suite/one").code == 0

    assert keys(box) == ["suite/one", "suite/deep/two"]


def test_one_executable_is_one_task(box: Box):
    box.script("check.py", "exit 0")

    assert box.pexen("run", "check.py").code == 0
    assert keys(box) == ["check.py"]


PACKAGE = """
import pexen_state
@pexen_state.task(provides=["net"])
def up(shared):
    shared["address"] = "10.0.0.1"
"""
MODULE = """
import pexen_state
@pexen_state.task(requires=["net"])
def ping(shared):
    print("to", shared["address"])
    assert shared["address"] == "10.0.0.2", "wrong address"
"""


@pytest.mark.parametrize("typed", ["checks", "./checks", "py:checks", "checks/__init__.py"])
def test_a_python_package_runs_and_what_it_prints_is_kept(box: Box, typed: str):
    box.file("checks/__init__.py", PACKAGE)
    box.file("checks/net/__init__.py", "")
    box.file("checks/net/ping.py", MODULE)

    done = box.pexen("run", typed, "-j2")

    assert done.code == 1
    assert keys(box) == ["up", "net/ping/ping"]
    assert "AssertionError: wrong address" in done.out
    assert "         | to 10.0.0.1" in done.lines
    assert "2 workers" in done.lines[0]
    assert "suite checks  " in done.lines[0]


@pytest.mark.parametrize("typed", ["checks.net.ping", "checks/net/ping.py", "py:checks/net/ping.py"])
def test_a_module_within_a_package_has_the_same_keys_as_the_package(box: Box, typed: str):
    box.file("checks/__init__.py", "")
    box.file("checks/net/__init__.py", "")
    box.file("checks/net/ping.py", PACKAGE)

    assert box.pexen("run", typed).code == 0

    assert keys(box) == ["net/ping/up"]
    assert box.sql("SELECT name FROM runs") == [("checks.net.ping",)]


def test_a_module_of_its_own_is_part_of_the_key(box: Box):
    box.file("checks.py", PACKAGE)

    assert box.pexen("run", "checks.py", "--pool", "thread").code == 0

    assert keys(box) == ["checks/up"]


def test_a_factory_is_named_with_its_module(box: Box):
    box.script("suite/a", "exit 7")
    box.file(
        "made.py",
        "from pexen_state.factory import FilesystemFactory\ndef tasks():\n    return FilesystemFactory()('suite')\n",
    )

    done = box.pexen("run", "py:made:tasks")

    assert done.code == 1
    assert keys(box) == ["suite/a"]


def test_a_task_list_runs_on_all_processors_and_without_a_time_limit(box: Box):
    box.file(
        "nightly.jobs", '# comment\ntrue\nwho: echo me\n{"cmd": "exit 77", "name": "bad", "after": ["who"]}\ntrue\n'
    )

    done = box.pexen("run", "nightly.jobs")

    assert done.code == 1
    assert keys(box) == ["true", "who", "bad", "true#2"]
    assert box.sql("SELECT name FROM runs") == [("nightly.jobs",)]
    assert "no timeout" in done.lines[0]
    assert "FAIL" in done.out  # 77 is no skip in a list


@pytest.mark.parametrize("typed", ["-", "cmds:-", "cmds:some file"])
def test_commands_come_from_standard_input_or_any_file(box: Box, typed: str):
    box.file("some file", "echo one\n")

    assert box.pexen("run", typed, stdin=b"echo one\n").code == 0
    assert keys(box) == ["echo one"]


def test_a_retry_is_told_and_the_task_is_flaky(box: Box):
    box.script("suite/flaky", 'test "$PEXEN_ATTEMPT" = 2')

    done = box.pexen("run", "suite", "--retries", "1")

    assert done.code == 0
    assert "suite/flaky  attempt 2" in done.out
    assert "1 pass, 1 flaky" in done.out


def test_a_task_over_its_time_limit_is_killed(box: Box):
    box.script("suite/slow", "sleep 1000")

    done = box.pexen("run", "suite", "--timeout", "0.2")

    assert done.code == 1
    assert box.sql("SELECT state, verdict FROM tasks") == [("timed_out", "timeout")]
    assert "TIMEOUT" in done.out


def test_what_a_failure_kept_from_running_is_named_with_its_reason(box: Box):
    box.file(
        "s.jobs",
        '{"cmd": "false", "name": "setup", "provides": ["db"]}\n{"cmd": "true", "name": "use", "requires": ["db"]}\n',
    )

    done = box.pexen("run", "s.jobs")

    assert done.code == 1
    assert "1 fail, 1 not run" in done.out
    assert "  NOT RUN use  requires 'db', which was provided by nobody: setup (fail)" in done.lines
    assert "pexen: warning: 1 tasks skipped due to unmet deps" in done.err


def test_quiet_says_failures_and_the_summary(box: Box):
    box.script("suite/a")
    box.script("suite/b", "exit 1")

    done = box.pexen("-q", "run", "suite")

    assert [line.split()[0] for line in done.lines if line] == ["FAIL", "run", "FAIL", "See"]


def test_a_run_without_a_single_task_is_told_apart(box: Box):
    box.file("suite/README", "nothing here")

    done = box.pexen("run", "suite")

    assert done.code == 5
    assert done.err == "pexen: no task was found in suite: no executable file is there (chmod +x makes one).\n"
    assert not box.journal.exists()


def test_a_newer_run_of_the_same_suite_supersedes_an_unfinished_one(box: Box):
    gate = box.gate()
    box.script("suite/waits", f"test -e go || {gate.wait}")
    with box.started("run", "suite") as run:
        gate.reached()
        run.process.kill()
        run.process.wait()
    box.file("suite/go", "")

    done = box.pexen("run", "suite")

    assert done.code == 0
    assert "run 1 of this suite was unfinished; it is superseded, and will not be resumed." in done.lines
    assert box.sql("SELECT id, state FROM runs ORDER BY id") == [(1, "superseded"), (2, "finished")]
    assert box.pexen("resume").code == 5
    assert (
        box.pexen("resume", "1").err == "pexen: nothing to resume: run 1 is superseded. `pexen run` begins another.\n"
    )


def test_a_run_that_a_task_starts_has_a_journal_of_its_own(box: Box):
    box.script("inner/one")
    box.script("suite/outer", f"exec {' '.join(COMMAND_WORDS)} run {box.directory}/inner")

    done = box.pexen("run", "suite")

    assert done.code == 0, done.out
    assert keys(box) == ["suite/outer"]
    (inner,) = box.directory.glob(".pexen/journal.d/run-1/*/data/.pexen/journal.db")
    assert keys(box, inner) == ["inner/one"]


def test_the_journal_and_all_beside_it_is_for_its_owner_alone(box: Box):
    box.script("suite/a", "echo secret")

    assert box.pexen("run", "suite", prefix=("sh", "-c", 'umask 0; exec "$@"', "sh")).code == 0

    for path in (box.directory / ".pexen").rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path
    assert (box.directory / ".pexen/.gitignore").read_text() == "*\n"
    assert [path.read_text() for path in (box.directory / ".pexen/latest/").rglob("output.log")] == ["secret\n"]
