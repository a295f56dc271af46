"""What a run says of itself and of its tasks, and where it is kept."""

from __future__ import annotations

from tests.cli.box import COMMAND, Box


def test_nothing_but_passes_skips_and_warnings_is_a_success(box: Box):
    box.script("suite/a")
    box.script("suite/b", "exit 77")

    done = box.pexen("run", "suite")

    assert done.code == 0
    assert "run 1: 2 tasks: 1 pass, 1 skip; in" in done.out


def test_a_retry_is_told_and_the_task_is_flaky(box: Box):
    box.script("suite/flaky", 'test "$PEXEN_ATTEMPT" = 2')

    done = box.pexen("run", "suite", "--retries", "1")

    assert done.code == 0
    assert "suite/flaky  attempt 2" in done.out
    assert "1 task: 1 pass (1 flaky); in" in done.out


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
    box.script("suite/outer", f"exec {' '.join(COMMAND)} run {box.directory}/inner")

    done = box.pexen("run", "suite")

    assert done.code == 0, done.out
    assert box.keys() == ["suite/outer"]
    (inner,) = box.directory.glob(".pexen/journal.d/run-1/*/data/.pexen/journal.db")
    assert box.keys(inner) == ["inner/one"]


def test_the_journal_and_all_beside_it_is_for_its_owner_alone(box: Box):
    box.script("suite/a", "echo secret")

    assert box.pexen("run", "suite", prefix=("sh", "-c", 'umask 0; exec "$@"', "sh")).code == 0

    for path in (box.directory / ".pexen").rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path
    assert (box.directory / ".pexen/.gitignore").read_text() == "*\n"
    assert [path.read_text() for path in (box.directory / ".pexen/latest/").rglob("output.log")] == ["secret\n"]


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


def test_what_to_type_next_does_not_depend_on_the_environment_of_the_tasks(box: Box):
    box.script("one")
    box.script("deep/suite/a", 'test "$HOME" = /nowhere')
    box.pexen("run", "one")  # now there is a journal, above

    done = box.pexen("run", "suite", "-e", "HOME=/nowhere", cwd="deep")
    nearer = box.pexen("run", "suite", "-e", f"HOME={box.directory}/deep", cwd="deep")

    assert done.lines[-1] == "See all of it: pexen show 2"
    assert nearer.lines[-1] == "See what failed: pexen logs 3 --failed"


def test_the_whole_machine_is_not_run(box: Box):
    for verb in ("run", "list", "plan"):
        done = box.pexen(verb, "/")
        assert (done.code, done.out) == (2, "")
        assert "/ is the root of the file system: every executable of this machine would be run." in done.err
