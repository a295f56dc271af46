"""The command that follows a run's end: what it finds, what is told of it, and that it changes nothing of the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pexen_state import suite, task
from pexen_state.journal.care.check import check
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.lock import RunLock
from pexen_state.suite.exits import Exit
from pexen_state.suite.on_finish import Followed, OnFinish, environment, follow, owed
from tests.cli.hostility import STRINGS
from tests.journal.telling import sql

WRITTEN = f"SELECT run, data FROM run_event WHERE kind = {int(EventKind.FOLLOWED)} ORDER BY seq"


def passes() -> Callable[..., Any]:
    return task(name="a")(lambda: None)


def warns() -> Callable[..., Any]:
    def body() -> None:
        from pexen_state import result

        result("part", "warn")

    return task(name="w")(body)


def fails() -> Callable[..., Any]:
    def body() -> None:
        raise AssertionError("no")

    return task(name="b")(body)


def run(command: str, *tasks: Callable[..., Any], **more: Any) -> Followed:
    ended = suite.run(tasks or (passes(),), journal="j.db", pool="thread", on_finish=command, **more)
    assert ended.followed is not None
    return ended.followed


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(here: Path) -> dict[str, str]:
    """The environment as the command wrote it."""
    lines = (here / "told").read_bytes().split(b"\0")
    return dict(line.decode().split("=", 1) for line in lines if line)


def test_it_finds_what_became_of_the_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEXEN_TASK", "an outer one")
    monkeypatch.setenv("MINE", "kept")

    run("env -0 > told; pwd > where", passes(), fails(), warns())

    found = told(here)
    ((started, ended),) = sql(here / "j.db", "SELECT started_at, ended_at FROM runs")
    assert {name: value for name, value in found.items() if name.startswith("PEXEN_")} == {
        "PEXEN_RUN": "1",
        "PEXEN_SUITE": "main",
        "PEXEN_STATE": "finished",
        "PEXEN_VERDICT": "fail",
        "PEXEN_EXIT_CODE": "1",
        "PEXEN_COUNTS": "tasks=3 passed=1 warned=1 failed=1 skipped=0 not_run=0",
        "PEXEN_TASKS": "3",
        "PEXEN_PASSED": "1",
        "PEXEN_WARNED": "1",
        "PEXEN_FAILED": "1",
        "PEXEN_SKIPPED": "0",
        "PEXEN_NOT_RUN": "0",
        "PEXEN_STARTED_AT": started,
        "PEXEN_ENDED_AT": ended,
        "PEXEN_JOURNAL": str(here / "j.db"),
        "PEXEN_OUTPUT": str(here / "j.d" / "run-1"),
    }
    assert found["MINE"] == "kept"
    assert (here / "where").read_text() == f"{here}\n"


def test_all_of_it_is_documented() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "library.md").read_text()
    about = dict.fromkeys(("tasks", "passed", "warned", "failed", "skipped", "not_run"), 0)
    row = {**about, "id": 1, "name": "x", "state": "finished", "verdict": "pass", "started_at": "", "ended_at": ""}

    for name in environment(row, "j.db", OnFinish("true", "/", {})):
        assert f"`{name}`" in page


@pytest.mark.parametrize(("strict", "code"), [(False, "0"), (True, "1")])
def test_the_exit_code_is_that_of_the_run(here: Path, strict: bool, code: str) -> None:
    ended = suite.run(
        [warns()], journal="j.db", pool="thread", on_finish='echo "$PEXEN_EXIT_CODE" > code; exit 7', strict=strict
    )

    assert (here / "code").read_text() == f"{code}\n"
    assert ended.code == int(code)
    assert ended.followed is not None
    assert (ended.followed.exit_code, ended.followed.is_well) == (7, False)
    assert ended.followed.in_words() == "ended with exit status 7"


def test_hostile_names_of_suites_are_told_as_they_are_shown(here: Path) -> None:
    names = [os.fsdecode(text) for text in STRINGS]
    row = dict.fromkeys(("tasks", "passed", "warned", "failed", "skipped", "not_run"), 0)
    row |= {"id": 1, "state": "finished", "verdict": "pass", "started_at": "", "ended_at": ""}

    for name in names:
        found = environment({**row, "name": name}, "j.db", OnFinish("true", "/", {}))["PEXEN_SUITE"]
        assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000 for char in found)
    run("env -0 > told", name="evil\x1b[31m\n::error::x$(touch owned)`touch owned`")
    assert told(here)["PEXEN_SUITE"].startswith("evil\\x1b[31m\\n")
    assert not (here / "owned").exists()


def test_what_it_prints_is_in_a_file_and_it_reads_nothing(here: Path) -> None:
    followed = run("cat; echo one; echo two >&2")

    assert followed.is_well
    assert followed.in_words() == "ended well"
    assert followed.output == str(here / "j.d" / "run-1" / "on-finish.log")
    assert Path(followed.output).read_text() == "one\ntwo\n"
    assert Path(followed.output).stat().st_mode & 0o777 == 0o600


def test_it_is_written_down_and_the_journal_replays(here: Path) -> None:
    run("exit 3")
    run("kill -TERM $$")

    first, second = sql(here / "j.db", WRITTEN)
    assert (first[0], second[0]) == (1, 2)
    assert '"exit_code": 3, "signal": null, "timed_out": false' in first[1]
    assert '"exit_code": null, "signal": 15' in second[1]
    assert check(here / "j.db") == []
    assert sql(here / "j.db", "SELECT DISTINCT state, verdict FROM runs") == [("finished", "pass")]
    assert owed(str(here / "j.db")) == []


def test_it_may_take_so_long_and_no_longer_with_all_that_it_started(here: Path) -> None:
    os.mkfifo("alive")
    reader = os.open("alive", os.O_RDONLY | os.O_NONBLOCK)

    followed = run("trap '' TERM; sh -c 'exec sleep 600' > alive; echo no", on_finish_timeout="0.2s")

    assert followed.timed_out
    assert not followed.is_well
    assert followed.in_words().startswith("was over its time limit, and was killed after ")
    os.set_blocking(reader, True)
    with open(reader, "rb") as pipe:
        assert pipe.read() == b"", "nobody has it open any more"


def test_a_signal_is_told_by_its_name(here: Path) -> None:
    assert run("kill -SEGV $$").in_words() == "was killed by SIGSEGV"


def test_what_cannot_be_started_is_told_and_not_tried_again(here: Path) -> None:
    (here / "j.d").mkdir()
    (here / "j.d" / "run-1").mkdir()
    (here / "j.d" / "run-1" / "on-finish.log").symlink_to(here / "owned")

    followed = run("true")

    assert followed.error is not None
    assert followed.error.startswith("could not be started: ")
    assert not (here / "owned").exists(), "a link is not followed"
    assert len(sql(here / "j.db", WRITTEN)) == 1


def test_who_looks_may_look_and_who_would_run_is_refused(here: Path) -> None:
    pexen = f"{sys.executable} -m pexen_state"

    run(f"{pexen} show > shown; echo $? > looked; {pexen} run nothing.jobs 2> refused; echo $? > ran")

    assert (here / "looked").read_text() == "0\n"
    assert "run 1" in (here / "shown").read_text()


def test_it_is_told_to_the_events_of_the_run(here: Path) -> None:
    run("exit 3")

    done = subprocess.run(
        [sys.executable, "-m", "pexen_state", "--journal", "j.db", "events", "1"], capture_output=True, text=True
    )

    assert '"kind": "followed", "data": {"exit_code": 3' in done.stdout.splitlines()[-1]


def test_a_kill_in_the_middle_leaves_it_owed_and_the_same_call_makes_up_for_it(here: Path) -> None:
    program = textwrap.dedent("""
        from pexen_state import suite, task
        def one(): pass
        ended = suite.run([task(one)], journal="j.db", pool="thread", on_finish="echo $PEXEN_RUN >> ran; test -e well")
        print(ended.run, ended.followed.exit_code)
        """)
    killing = program.replace("test -e well", "kill -9 $PPID")
    killed = subprocess.run([sys.executable, "-c", killing])
    assert killed.returncode == -signal.SIGKILL
    assert [record.id for record in owed(str(here / "j.db"))] == [1]
    Path("well").touch()
    # What is owed is what was recorded.
    subprocess.run([sys.executable, "-c", program])
    assert (here / "ran").read_text() == "1\n1\n"
    assert [record.id for record in owed(str(here / "j.db"))] == [1], "it has killed that one, too"


def test_an_interrupt_ends_it_and_nothing_is_written_down(here: Path) -> None:
    suite.run([passes()], journal="j.db", pool="thread")
    began: list[int] = []

    def interrupt(group: int) -> None:
        began.append(group)
        raise KeyboardInterrupt

    with RunLock.acquire(here / "j.db") as lock, pytest.raises(KeyboardInterrupt):
        follow(OnFinish("exec sleep 600", str(here), dict(os.environ), started=interrupt), lock, 1)

    with pytest.raises(ProcessLookupError):
        os.kill(began[0], 0)
    assert sql(here / "j.db", WRITTEN) == []


def test_nothing_is_owed_of_runs_that_asked_for_nothing(here: Path) -> None:
    suite.run([passes()], journal="j.db", pool="thread")

    assert owed(str(here / "j.db")) == []
    assert owed(str(here / "none.db")) == []
    assert suite.run([passes()], journal="j.db", pool="thread").code == Exit.DONE
