"""A suite in one call: what can be named, what comes back, what the same call goes on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import pexen_state
from pexen_state import Reboot, Sched, suite, task
from pexen_state.journal.care.check import check
from pexen_state.report.formats.writing import write_file
from pexen_state.sched.pool import ThreadWorkerPool
from pexen_state.suite.errors import NothingToDo, UsageError
from pexen_state.suite.exits import Exit
from tests.cli.box import Box
from tests.journal.telling import sql


def named(name: str, body: Callable[[], object] | None = None, **meta: Any) -> Callable[..., Any]:
    return task(name=name, **meta)(body if body is not None else lambda: name)


def fails() -> Callable[[], object]:
    def body() -> None:
        raise AssertionError("no")

    return body


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def box(here: Path) -> Box:
    return Box(here)


@pytest.mark.parametrize("pool", ["thread", "process"])
def test_tasks_are_run_and_what_became_of_them_is_told(here: Path, pool: str) -> None:
    given: list[tuple[str | None, str]] = []

    tasks = [named("good"), named("bad", fails()), named("behind", requires=["x"]), named("x", fails(), provides=["x"])]
    with pytest.warns(pexen_state.PexenWarning, match="1 tasks skipped due to unmet deps"):
        ended = suite.run(
            tasks,
            journal="j.db",
            pool=pool,
            on_result=lambda result: given.append((result.key, result.verdict)),
            max_fail=9,
        )

    assert given == [("good", "pass"), ("bad", "fail"), ("x", "fail")]
    assert (ended.run, ended.code, ended.is_over, ended.was_resumed) == (1, Exit.FAILED, True, False)
    assert ended.counts == {"pass": 1, "fail": 2, "not_run": 1}
    assert ended.verdicts == {"good": "pass", "bad": "fail", "x": "fail", "behind": "not_run"}
    assert ended.followed is None
    assert sql(here / "j.db", "SELECT name, state FROM runs") == [("main", "finished")]


def test_it_is_there_without_an_import_of_its_own() -> None:
    code = "import pexen_state, sys; pexen_state.suite.run; print(sorted(m for m in sys.modules if 'pexen_state' in m))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['pexen_state', 'pexen_state.suite', 'pexen_state.util']"
    assert pexen_state.suite is suite


def test_a_tree_has_the_keys_and_the_name_that_the_command_line_gives_it(box: Box) -> None:
    box.script("tests/net/a")
    box.script("tests/net/b", "exit 77")
    box.file("tests/pexen.toml", '[tasks."net/a"]\ntags = ["quick"]\n')

    ended = suite.run("tests", journal=".pexen/journal.db")

    assert ended.verdicts == {"net/a": "pass", "net/b": "skip"}
    assert ended.code == Exit.DONE
    assert box.sql("SELECT name, target FROM runs") == [("tests", "tests")]
    assert box.pexen("run", "tests", "--journal", ".pexen/journal.db").code == 0
    assert box.sql("SELECT DISTINCT name FROM runs") == [("tests",)]


def test_several_targets_a_module_and_a_list_may_be_named(box: Box) -> None:
    box.script("one/a")
    box.file("some.jobs", "b: true\n")
    box.file("mine_of_suite.py", "import pexen_state\n@pexen_state.task\ndef c(): pass\n")

    ended = suite.run([Path("one"), "some.jobs", "py:mine_of_suite.py"], journal="j.db", jobs="auto", name="all")

    assert set(ended.verdicts.values()) == {"pass"}
    assert len(ended.verdicts) == 3
    assert sql(box.directory / "j.db", "SELECT name FROM runs") == [("all",)]


def test_a_factory_is_called_when_its_tasks_are_wanted(here: Path) -> None:
    assert suite.run(lambda: [named("a")], journal="j.db", pool="thread").verdicts == {"a": "pass"}


def test_the_same_call_goes_on_with_what_a_kill_left(here: Path) -> None:
    program = textwrap.dedent("""
        import os, signal
        from pexen_state import suite, task
        def one(): pass
        def two():
            if not os.path.exists("second"):
                open("second", "w").close()
                os.kill(os.getppid() if os.environ.get("PEXEN_X") else RUNNER, signal.SIGKILL)
        RUNNER = os.getpid()
        tasks = [task(name="one", provides=["x"])(one), task(name="two", requires=["x"])(two)]
        ended = suite.run(tasks, journal="j.db", on_result=lambda r: print(r.key, r.verdict, r.replayed))
        print(ended.run, int(ended.code), ended.was_resumed, ended.counts)
        """)
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    again = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert again.stdout.splitlines() == ["one pass True", "two pass False", "1 0 True {'pass': 2}"], again.stderr
    assert check(here / "j.db") == []


def test_when_the_run_is_over_the_same_call_begins_another(here: Path) -> None:
    tasks = [named("a")]

    assert [suite.run(tasks, journal="j.db", pool="thread").run for _ in range(3)] == [1, 2, 3]


def test_an_interrupt_leaves_a_run_that_goes_on(here: Path) -> None:
    tasks = [named("a", priority=-1), named("b")]

    def interrupt(result: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        suite.run(tasks, journal="j.db", pool="thread", on_result=interrupt)

    ended = suite.run(tasks, journal="j.db", pool="thread")
    assert (ended.run, ended.was_resumed, ended.counts) == (1, True, {"pass": 2})


def test_reports_are_written_whether_the_run_is_over_or_not(here: Path) -> None:
    reports = {"junit": "r.xml", "tap": here / "r.tap", "md": "r.md", "jsonl": "r.jsonl"}

    suite.run([named("a"), named("b", fails())], journal="j.db", pool="thread", reports=reports)

    assert len(list(ElementTree.parse("r.xml").getroot().iter("testcase"))) == 2
    assert all((here / name).stat().st_size for name in ("r.tap", "r.md", "r.jsonl"))
    assert not list(here.glob(".report-*"))


def test_a_report_that_cannot_be_written_is_told_and_ends_nothing(here: Path) -> None:
    with pytest.warns(pexen_state.PexenWarning, match="the report /.*r.xml cannot be written: No such file"):
        ended = suite.run([named("a")], journal="j.db", pool="thread", reports={"junit": "no/where/r.xml"})

    assert ended.code == Exit.DONE


def test_a_run_that_waits_for_a_reboot_is_not_over_and_nothing_follows(here: Path) -> None:
    def reboots() -> None:
        raise Reboot

    ended = suite.run(
        [named("a"), named("b", lambda: reboots())],
        journal="j.db",
        pool="thread",
        on_finish="touch followed",
        reports={"tap": "r.tap"},
    )

    assert (ended.code, ended.is_over, ended.followed) == (Exit.UNFINISHED, False, None)
    assert (ended.counts, ended.verdicts) == ({"pass": 1}, {"a": "pass"})
    assert (here / "r.tap").exists()
    assert not (here / "followed").exists()


def test_strict_and_time_limits_are_those_of_the_command_line(box: Box) -> None:
    box.script("tests/warns", "pexen result x warn")
    box.script("tests/slow", "sleep 60")

    ended = suite.run("tests", journal="j.db", timeout="0.5s", strict=True)
    only = suite.run("tests/warns", journal="k.db", strict=True)

    assert ended.verdicts == {"slow": "timeout", "warns": "warn"} or set(ended.counts) == {"timeout", "warn"}
    assert (ended.code, only.code) == (Exit.FAILED, Exit.FAILED)
    assert suite.run("tests/warns", journal="k.db").code == Exit.DONE


def test_a_report_does_not_take_the_place_of_the_journal(here: Path):
    suite.run([named("a")], journal="j.db")

    with pytest.raises(UsageError, match="belongs to the journal"):
        suite.run([named("a")], journal="j.db", reports={"html": "j.db"})

    assert sql(here / "j.db", "SELECT count(*) FROM runs") == [(1,)]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"pool": "fork"}, "pool is 'process' or 'thread', not 'fork'"),
        ({"jobs": 0}, "jobs is a number of tasks to run at once, or 'auto', not 0"),
        ({"jobs": "many"}, "not 'many'"),
        ({"retries": "x"}, "retries is a number of times, 0 or more, not 'x'"),
        ({"retries": -1}, "not -1"),
        ({"timeout": "soon"}, "timeout: "),
        ({"on_finish_timeout": -1}, "on_finish_timeout: "),
        ({"on_finish": " "}, "on_finish is a command for /bin/sh, and this is none"),
        ({"reports": {"junt": "x"}}, "there is no report 'junt'. Did you mean 'junit'? Known are: junit, "),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_made(here: Path, more: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as raised:
        suite.run([named("a")], journal="j.db", **more)

    assert told in str(raised.value)
    assert os.listdir(here) == []


def test_what_is_no_suite_is_told(here: Path) -> None:
    with pytest.raises(UsageError, match="a target, tasks or a factory, not int"):
        suite.run(7, journal="j.db")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="there is no file or directory tets"):
        suite.run("tets", journal="j.db")
    with pytest.raises(NothingToDo, match="there is no task to run"):
        suite.run([], journal="j.db")
    assert os.listdir(here) == []


def test_everything_else_that_a_scheduler_takes_can_be_said(here: Path) -> None:
    tasks = [named("a", when="param.disk == 'nvme'"), named("b")]

    ended = suite.run(tasks, journal="j.db", pool="thread", params={"disk": "sata"})
    again = suite.run(tasks, journal="j.db", pool="thread", skip_passed_in=1)

    assert ended.verdicts == {"a": "skip", "b": "pass"}
    assert again.verdicts == {"a": "skip", "b": "skip"}


def test_a_run_of_a_program_is_known_to_a_scheduler_of_its_own(here: Path) -> None:
    tasks = [named("a"), named("b", after=["a"])]
    run = Sched(tasks, journal="j.db", name="mine").run(ThreadWorkerPool(1, spare=0))
    next(run)
    run.close()

    assert suite.run(tasks, journal="j.db", name="mine", pool="thread").run == 1


def test_a_report_has_the_mode_of_any_new_file_and_the_umask_is_left_alone(here: Path, monkeypatch: pytest.MonkeyPatch):
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "umask", lambda mask: pytest.fail("another thread would make files of this mode"))
            write_file("report.txt", ["said\n"])
    finally:
        os.umask(before)

    assert (here / "report.txt").stat().st_mode & 0o777 == 0o640
