"""The commands that a task finds first in its PATH, under pexen's names and under those of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state import Sched, in_task
from pexen_state.journal.event_kinds import EventKind
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.crash.box_suite import new_boot
from tests.journal.telling import sql

BIN = Path(in_task.__file__).parent / "bin"


@pytest.fixture(params=[ProcessWorkerPool, ThreadWorkerPool], ids=["process", "thread"])
def run(request: pytest.FixtureRequest, tmp_path: Path):
    """Runs one script, to its end or until it waits for a reboot; gives its result, None if there is none."""

    def go(script: str, **meta):
        executable = Executable(["/bin/sh", "-c", script])
        assign_val(executable, name="script", **meta)
        results = list(Sched([executable], journal=tmp_path / "journal.db").run(request.param(workers=1)))
        return results[0] if results else None

    return go


def outside(*words: str, name: str = "pexen") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PEXEN_")}
    environment["PEXEN_PYTHON"] = sys.executable
    return subprocess.run([BIN / name, *words], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("command", "mark"),
    [
        ("pexen reboot --mark 'phase 2'", "phase 2"),
        ("pexen reboot --mark=x --timeout 5m", "x"),
        ("pexen reboot", ""),
        ("tmt-reboot", ""),
        ("tmt-reboot -t 300", ""),
        ("rstrnt-reboot", ""),
        ("rhts-reboot", ""),
        ("autopkgtest-reboot half", "half"),
    ],
)
def test_every_helper_asks_for_a_reboot_and_never_returns(run, tmp_path: Path, command: str, mark: str):
    assert run(f"{command}; echo on >{tmp_path}/went-on") is None

    assert not (tmp_path / "went-on").exists()
    assert sql(tmp_path / "journal.db", "SELECT cause FROM attempts") == [("reboot_asked",)]
    assert sql(tmp_path / "journal.db", "SELECT mark FROM attempt") == [(mark,)]


def test_what_was_kept_is_found_again_over_a_reboot(run, tmp_path: Path):
    keep = "pexen checkpoint phase two && pexen checkpoint phase three && pexen checkpoint other 1 && pexen reboot"
    look = 'test "$(pexen checkpoint phase)" = three || exit 9; pexen checkpoint nothing; test $? = 1'
    script = f"if test $PEXEN_REBOOT_COUNT = 0; then {keep}; else {look}; fi"

    assert run(script) is None
    assert sql(tmp_path / "journal.db", "SELECT key, value FROM checkpoint ORDER BY id") == [
        ("phase", '"two"'),
        ("phase", '"three"'),
        ("other", '"1"'),
    ]
    new_boot(tmp_path)
    result = run(script)

    assert (result.verdict, result.reason) == ("pass", None)


def test_a_skip_says_why(run):
    result = run("pexen skip no such card; exit 1")

    assert (result.verdict, result.reason) == ("skip", "no such card")


def test_more_time_is_asked_for_in_the_words_of_people(run, tmp_path: Path):
    result = run("pexen deadline +5m && sleep 0.7", timeout=0.5)

    assert result.verdict == "pass"
    ((data, at_us),) = sql(
        tmp_path / "journal.db", f"SELECT data, at_us FROM run_event WHERE kind = {int(EventKind.EXTENDED)}"
    )
    told = json.loads(data)
    assert (told["task"], told["attempt"]) == (1, 1)
    assert 200e6 < told["until_us"] - at_us < 400e6


def test_less_time_is_had_as_well(run):
    result = run("pexen deadline 0.2; sleep 20", timeout=60)

    assert (result.state, result.verdict) == ("timed_out", "timeout")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("pexen reboot --makr x", "pexen: reboot: '--makr' is not known"),
        ("pexen reboot --mark", "pexen: reboot: --mark needs a value"),
        ("pexen deadline", "pexen: deadline: how long?"),
        ("pexen deadline soon", "pexen: 'soon' is no duration, such as 90, 5m or 1h30m"),
        ("pexen deadline 1..5", "pexen: '1..5' is no duration, such as 90, 5m or 1h30m"),
        ("autopkgtest-reboot", "autopkgtest-reboot: it takes one argument, a mark"),
        (
            "tmt-reboot -c 'kexec -e'",
            "tmt-reboot: '-c' is not known here: how the box is rebooted is said to pexen run",
        ),
        ("rstrnt-reboot now", "rstrnt-reboot: it takes no argument"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2_and_nothing_happens(run, command: str, said: str):
    result = run(f"{command}; test $? = 2")

    assert result.verdict == "pass"
    assert Path(result.output).read_text().startswith(said + "\n")


@pytest.mark.parametrize("words", [("reboot",), ("skip", "x"), ("deadline", "5m"), ("heartbeat",)])
def test_outside_of_a_task_they_are_of_no_use(words):
    done = outside(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pexen: this is for tasks, while they run: PEXEN_SOCKET is not set\n"


def test_a_task_may_use_pexen_itself_with_a_journal_of_its_own(run, tmp_path: Path):
    (tmp_path / "inner.jobs").write_text("echo inner\n")

    result = run(f"cd {tmp_path} && pexen --journal inner.db run inner.jobs && pexen --version")

    assert result.verdict == "pass", Path(result.output).read_text()
    assert sql(tmp_path / "inner.db", "SELECT verdict FROM tasks") == [("pass",)]


def test_a_run_within_a_run_asks_at_its_own_socket(run, tmp_path: Path):
    (tmp_path / "inner.jobs").write_text("pexen skip inner only\n")

    result = run(f"cd {tmp_path} && pexen --journal inner.db run inner.jobs")

    assert result.verdict == "pass"
    assert sql(tmp_path / "inner.db", "SELECT verdict, reason FROM tasks") == [("skip", "inner only")]


def test_they_import_little():
    """Calling one costs about what python itself costs."""
    done = subprocess.run(
        [sys.executable, "-IS", "-X", "importtime", BIN.parent / "client.py", "pexen", "heartbeat"],
        capture_output=True,
        text=True,
        check=False,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}

    assert not [name for name in imported if name.startswith("pexen_state")]
    assert imported.isdisjoint({"argparse", "typing", "subprocess", "site", "dataclasses", "inspect"})
