"""`pexen run`: what may be a target, what its tasks are called, what the run says, and its exit code."""

from __future__ import annotations

import re
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
    assert "4 tasks  1 worker (process pool)  timeout 1h, no retries  journal .pexen/journal.db" in header
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
    assert "1 not run: requires 'db', which was provided by nobody: setup (fail)" in done.lines
    assert "pexen: warning: 1 tasks skipped due to unmet deps" in done.err


def test_quiet_says_failures_and_the_summary(box: Box):
    box.script("suite/a")
    box.script("suite/b", "exit 1")

    done = box.pexen("-q", "run", "suite")

    assert [line.split()[0] for line in done.lines if line] == ["FAIL", "run", "FAIL", "Run", "See"]


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


# -- which tasks


def test_an_expression_picks_tasks_and_the_header_says_how_many(box: Box):
    box.file(
        "night.jobs",
        '{"name": "setup/db", "cmd": "true", "provides": ["db"]}\n'
        '{"name": "net/login", "cmd": "true", "requires": ["db"]}\n'
        '{"name": "net/dhcp", "cmd": "true"}\nfs: true\n',
    )

    done = box.pexen("run", "night.jobs", "-k", "net and not dhcp")
    nothing = box.pexen("run", "night.jobs", "-k", "nowhere")
    wrong = box.pexen("run", "night.jobs", "-k", "net or")

    assert done.code == 0
    assert "1 of 4 tasks: -k net and not dhcp, and 1 more that they require." in done.lines
    assert sorted(keys(box)) == ["net/login", "setup/db"]
    assert done.err == ""  # nobody is told that a part of a suite requires less
    assert (nothing.code, nothing.err) == (5, "pexen: nothing is selected: -k nowhere matches none of 4 tasks.\n")
    assert (wrong.code, wrong.err) == (2, "pexen: -k: a word is missing at the end:\n  net or\n        ^\n")


def test_what_failed_or_did_not_run_last_time_is_picked(box: Box):
    box.file(
        "night.jobs",
        '{"name": "setup", "cmd": "false", "provides": ["db"]}\n'
        '{"name": "login", "cmd": "true", "requires": ["db"]}\n{"name": "other", "cmd": "true"}\n',
    )
    too_early = box.pexen("run", "night.jobs", "--lf")
    assert not box.journal.exists()
    box.pexen("run", "night.jobs")

    both = box.pexen("run", "night.jobs", "--lf", "--not-run")
    failed = box.pexen("run", "night.jobs", "--last-failed")
    elsewhere = box.pexen("run", "night.jobs", "--lf", "--name", "another")
    not_run = box.pexen("run", "night.jobs", "--not-run")

    assert too_early.code == 5
    assert "no run of the suite night.jobs is in the journal" in too_early.err
    assert "2 of 3 tasks: failed or not run in run 1." in both.lines
    assert "1 of 3 tasks: failed in run 2." in failed.lines
    assert elsewhere.code == 5
    assert "no run of the suite another is in the journal" in elsewhere.err
    assert (not_run.code, not_run.err) == (5, "pexen: nothing was left undone in run 3.\n")


def test_a_dry_run_lists_the_tasks_in_order_and_writes_nothing(box: Box):
    box.file("pexen.toml", "[run]\njobs = 3\n")
    box.file(
        "night.jobs",
        '{"name": "login", "cmd": "touch ran", "requires": ["db"]}\n'
        '{"name": "setup", "cmd": "touch ran", "provides": ["db"]}\nlast: touch ran\n',
    )

    done = box.pexen("run", "-n", "night.jobs", "-k", "login")
    broken = box.pexen("run", "-n", "-", stdin=b'{"cmd": "true", "requires": ["db"]}\n')
    empty = box.pexen("run", "-n", "-")

    assert (done.code, done.lines) == (0, ["setup  (required)", "login"])
    assert done.err.splitlines() == [
        "dry run  suite night.jobs  2 tasks  3 workers (process pool)  no timeout, no retries  settings pexen.toml",
        "1 of 3 tasks: -k login, and 1 more that they require; 1 left out.",
        "Nothing was run, and nothing was written.",
    ]
    assert broken.code == 2
    assert "pexen: Unsatisfied requires remain: ['db']" in broken.err
    assert "  See standard input, line 1." in broken.err.splitlines()
    assert empty.code == 5
    assert not (box.directory / "ran").exists()
    assert not box.journal.parent.exists()


# -- how, and for how long


def test_the_settings_of_a_suite_hold_unless_something_else_is_typed(box: Box):
    box.file("proj/pexen.toml", '[run]\nname = "nightly"\njobs = 3\ntimeout = "5m"\nretries = 1\njournal = "j.db"\n')
    box.script("proj/net/up", 'test "$PEXEN_ATTEMPT" = 2')

    done = box.pexen("run", "proj/net", "-j2")
    looked = box.pexen("runs", cwd="proj/net")

    assert done.code == 0
    assert "suite nightly  1 task  2 workers (process pool)  timeout 5m, 1 retry  journal proj/j.db" in done.lines[0]
    assert done.lines[1] == "settings: proj/pexen.toml"
    assert "nightly" in looked.out
    assert keys(box, box.directory / "proj/j.db") == ["net/up"]


def test_settings_deeper_in_a_tree_are_refused(box: Box):
    box.file("proj/pexen.toml", "")
    box.file("proj/net/pexen.toml", "[run]\njobs = 3\n")
    box.script("proj/net/dhcp/renew")

    done = box.pexen("run", "proj")

    assert done.code == 2
    assert "proj/net/pexen.toml, line 1: settings hold for the whole suite, and belong into the file of its" in done.err
    assert done.err.endswith("root: proj/pexen.toml\n")
    assert not (box.directory / "proj/.pexen").exists()


def test_a_run_is_given_up_when_too_many_have_failed(box: Box):
    box.file(
        "s.jobs",
        "".join(f"t{number}: false\n" for number in range(300)) + '{"name": "end", "cmd": "true", "always": true}\n',
    )

    first = box.pexen("run", "s.jobs", "-j1", "-x")
    third = box.pexen("run", "s.jobs", "-j1", "--max-fail", "3")
    both = box.pexen("run", "s.jobs", "-x", "--max-fail", "3")

    assert (first.code, third.code) == (1, 1)
    assert "no timeout, no retries, given up after 1 failure" in first.lines[0]
    assert re.search(r"the run was given up after \d+ tasks? had failed", first.out)
    failed = dict(box.sql("SELECT run, count(*) FROM tasks WHERE verdict = 'fail' GROUP BY run"))
    assert 1 <= failed[1] < 300  # what was in the worker's hands already may end
    assert 3 <= failed[2] < 300
    assert box.sql("SELECT verdict FROM tasks WHERE task = 'end'") == [("pass",), ("pass",)]
    assert (both.code, both.err) == (2, "pexen: -x is --max-fail 1: say one of them\n")


def test_a_warning_is_a_failure_only_if_one_is_strict(box: Box):
    box.script("suite/warns", "exit 4")
    box.script("suite/fails", "exit 2")

    warned = box.pexen("run", "suite/warns", "--exit-codes", "ltp", "--journal", "j.db")
    strict = box.pexen("run", "suite/warns", "--exit-codes", "ltp", "--strict", "--journal", "j.db")
    kselftest = box.pexen("run", "suite", "--exit-codes", "kselftest", "--journal", "j.db")

    assert (warned.code, strict.code, kselftest.code) == (0, 1, 0)
    assert box.sql("SELECT task, verdict FROM tasks WHERE run = 3 ORDER BY task", box.directory / "j.db") == [
        ("suite/fails", "pass"),
        ("suite/warns", "skip"),
    ]


def test_a_list_has_the_shell_that_it_wants(box: Box):
    box.file("s.jobs", 'one: test -n "$BASH_VERSION" && [[ a == a ]]\n')

    assert box.pexen("run", "s.jobs", "--shell", "bash").code == 0
    none = box.pexen("run", "s.jobs", "--shell", "./none")
    assert none.code == 2
    assert "--shell: there is no program './none'. Name one that takes -c and a command, such as /bin/bash." in none.err


def test_tasks_find_what_was_said_in_their_environment_and_secrets_are_kept_nowhere(box: Box):
    box.file("proj/pexen.toml", '[run]\nenv = { A = "said", B = "said" }\nenv_file = "secrets"\n')
    box.file("proj/secrets", "TOKEN='hunter2'\nA=file\n")
    box.script("proj/look", 'echo "$A $B $C $TOKEN" | sha256sum > ../seen; test "$A $B $C" = "said typed kept"')

    done = box.pexen("run", "proj", "-e", "B=typed", "-e", "C", env={"C": "kept"})
    wrong = box.pexen("run", "proj", "-e", "PEXEN_RUN=3")

    assert done.code == 0, done.out
    expected = box.pexen(
        "run", "-", "--journal", "other.db", stdin=b"echo 'said typed kept hunter2' | sha256sum | cmp - seen"
    )
    assert expected.code == 0
    assert wrong.code == 2
    assert "-e PEXEN_RUN=3: PEXEN_RUN is set by pexen itself: names that begin with PEXEN_ are its own" in wrong.err
    kept = [path.read_bytes() for path in (box.directory / "proj/.pexen").rglob("*") if path.is_file()]
    assert not any(b"hunter2" in content for content in kept)
    assert any(b"typed" in content for content in kept)


def test_help_has_its_options_under_headings(box: Box):
    said = box.pexen("run", "--help").lines

    headings = [line for line in said if line.endswith(":") and not line.startswith(" ")]
    assert headings == [
        "Which tasks:", "How:", "Limits:", "Environment:", "What is shown:", "Journal:", "Other:"
    ]  # fmt: skip


def test_a_journal_that_somebody_holds_is_waited_for_if_one_wants_that(box: Box):
    gate = box.gate()
    box.script("suite/waits", gate.wait)
    box.file("other.jobs", "true\n")
    with box.started("run", "suite") as first:
        gate.reached()
        with box.started("run", "other.jobs", "--wait") as second:
            said = second.until("waiting for the journal", "err")
            gate.let_go()
            assert second.ended().code == 0
        assert first.ended().code == 0
    assert f"which the process {first.process.pid} holds." in said
