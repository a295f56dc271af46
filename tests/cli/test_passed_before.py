"""--skip-if-passed-in as people meet it: which run, what is shown, what a resume and a rerun make of it."""

from __future__ import annotations

import signal

import pytest

from tests.cli.box import Box


@pytest.fixture
def suite(box: Box) -> Box:
    """Run 1 of a tree in which one test fails."""
    box.script("tests/setup")
    box.script("tests/good")
    box.script("tests/bad", "test -e mended")
    box.file(
        "tests/pexen.toml",
        '[run]\njournal = "../.pexen/journal.db"\n[tasks.setup]\nprovides = ["net"]\n'
        '[tasks.good]\nrequires = ["net"]\n[tasks.bad]\nrequires = ["net"]\n',
    )
    assert box.pexen("run", "tests").code == 1
    box.file("tests/mended", "")
    return box


def told(box: Box, run: int) -> dict[str, tuple[str, str | None]]:
    return {
        key: (verdict, reason)
        for key, verdict, reason in box.sql(f"SELECT task, verdict, reason FROM tasks WHERE run = {run}")
    }


def test_what_passed_there_is_skipped_and_what_failed_runs(suite: Box):
    done = suite.pexen("run", "tests", "--skip-if-passed-in", "latest")

    assert done.code == 0
    assert "what passed in run 1, and is what it was then, is skipped." in done.lines
    assert told(suite, 2) == {
        "setup": ("skip", "passed in run 1"),
        "good": ("skip", "passed in run 1"),
        "bad": ("pass", None),
    }
    assert suite.pexen("db", "check").code == 0
    assert "passed in run 1" in suite.pexen("why", "good").out


def test_a_comparison_takes_it_for_passed(suite: Box):
    assert suite.pexen("run", "tests", "--skip-if-passed-in", "latest").code == 0

    done = suite.pexen("diff", "1", "2")

    assert done.code == 0
    assert done.lines[1:] == ["", "fixed: 1", "  bad  fail -> pass", "", "1 fixed; 2 tasks as before"]


def test_what_was_edited_runs(suite: Box):
    suite.script("tests/good", "true")

    assert suite.pexen("run", "tests", "--skip-if-passed-in", "tests").code == 0

    assert told(suite, 2)["good"] == ("pass", None)
    assert told(suite, 2)["setup"] == ("skip", "passed in run 1")


def test_a_chain_of_nights_tells_in_which_one_it_passed(suite: Box):
    assert suite.pexen("run", "tests", "--skip-if-passed-in", "1").code == 0
    assert suite.pexen("run", "tests", "--skip-if-passed-in", "2").code == 0

    assert told(suite, 3) == {
        "setup": ("skip", "passed in run 1"),
        "good": ("skip", "passed in run 1"),
        "bad": ("skip", "passed in run 2"),
    }


def test_a_dry_run_shows_what_is_left(suite: Box):
    done = suite.pexen("run", "tests", "-n", "--skip-if-passed-in", "1")

    assert done.lines == ["bad"]
    assert "2 tasks would be skipped: they passed in run 1, or before it." in done.err
    assert suite.sql("SELECT count(*) FROM runs") == [(1,)]


def test_a_resume_goes_on_with_it_and_a_rerun_does_not(suite: Box):
    gate = suite.gate("tests/gate")
    suite.script("tests/bad", "cat gate")
    suite.script("tests/late", "test -e mended")
    with suite.started("run", "tests", "--skip-if-passed-in", "1") as run:
        gate.reached()
        run.signal(signal.SIGKILL)
        run.process.wait()
    gate.let_go()
    gate.path.unlink()
    suite.script("tests/gate", "true", mode=0o644)

    assert suite.pexen("resume").code == 0
    assert suite.pexen("rerun").code == 0

    assert told(suite, 2)["good"] == ("skip", "passed in run 1")
    assert told(suite, 2)["bad"][0] == "pass"
    assert {verdict for verdict, _ in told(suite, 3).values()} == {"pass"}


@pytest.mark.parametrize(
    ("run", "said"),
    [("9", "the journal has no run 9. `pexen runs` lists them."), ("test", "no run is named 'test'")],
)
def test_a_run_that_is_not_there_is_told(suite: Box, run: str, said: str):
    done = suite.pexen("run", "tests", "--skip-if-passed-in", run)

    assert done.code == 2
    assert said in done.err
    assert suite.sql("SELECT count(*) FROM runs") == [(1,)]


def test_where_there_is_no_run_yet_it_is_told(box: Box):
    box.file("a.jobs", "true\n")

    done = box.pexen("run", "a.jobs", "--skip-if-passed-in", "latest")

    assert done.code == 2
    assert "--skip-if-passed-in: there is no run in the journal " in done.err
    assert done.err.endswith("/.pexen/journal.db yet. Leave it out.\n")
    assert not box.journal.exists()
