"""`pexen resume --all`: every unfinished run that nobody left on purpose, one after the other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from pexen_state.journal.event_kinds import EventKind
from tests.cli.box import Box
from tests.cli.killing import PROGRAM, kill_in_the_middle


def test_all_goes_on_with_what_nobody_left_on_purpose(box: Box):
    text = "one: true\ntwo: test ! -e gate || cat gate\n"
    for name in ("killed", "stopped", "interrupted", "left"):
        box.file(f"{name}.jobs", text)
    box.file("killed.jobs", f"{text}three: false\n")
    kill_in_the_middle(box, "run", "killed.jobs", "-j1")
    leave(box, "stopped.jobs", signal.SIGTERM)
    leave(box, "interrupted.jobs", signal.SIGINT, signal.SIGINT)
    leave(box, "left.jobs", signal.SIGINT, signal.SIGINT, signal.SIGINT)
    subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("j.db", ".pexen/journal.db")],
        cwd=box.directory,
        check=True,
        env=box.environment,
    )

    check = box.pexen("resume", "--check")
    done = box.pexen("resume", "--all", "-j2")
    none_left = box.pexen("resume", "--check")
    nothing = box.pexen("resume", "--all")
    unattended = box.pexen("resume", "--all", "--unattended")
    mixed = box.pexen("resume", "--all", "1")

    alone = [
        "run 3 (interrupted.jobs) is left alone: it was ended by Ctrl-C.",
        "run 4 (left.jobs) is left alone: it was ended by Ctrl-C.",
        "run 5 (main) is left alone: it was begun by a program, not by `pexen run`.",
    ]
    assert check.code == 0
    assert [" ".join(line.split()[:4]) for line in check.lines] == ["run 1 was cut", "run 2 was stopped"]
    assert check.err.splitlines() == alone
    assert done.code == 1  # the worst of both
    assert [line.split("  ")[1] for line in done.lines if line.startswith("pexen ")] == ["run 1", "run 2"]
    assert "run 1: 3 tasks: 2 pass, 1 fail" in done.out
    assert "run 2: 2 tasks: 2 pass" in done.out
    assert (none_left.code, nothing.code, unattended.code, mixed.code) == (5, 5, 0, 2)
    assert "nothing is to go on by itself." in none_left.err
    assert "nothing to resume: no unfinished run of this journal is to go on by itself." in nothing.err
    assert "neither RUN nor --plan goes with them" in mixed.err
    assert box.sql("SELECT id, state FROM runs ORDER BY id") == [
        (1, "finished"),
        (2, "finished"),
        (3, "unfinished"),
        (4, "unfinished"),
        (5, "unfinished"),
    ]
    assert box.pexen("resume", "3").code == 0


_PAUSED = f"SELECT count(*) FROM run_event WHERE kind = {int(EventKind.PAUSED)} AND run = (SELECT max(id) FROM run)"


def leave(box: Box, jobs: str, *signals: signal.Signals) -> None:
    """Start a run whose second task waits at the gate, and end it there as a person would."""
    gate = box.gate()
    with box.started("run", jobs, "-j1") as run:
        gate.reached()
        run.until("PASS")
        for number, one in enumerate(signals):
            run.signal(one)
            if number < len(signals) - 1:
                run.until(("interrupted", "stopping")[number], "err")
                # It is told as soon as it is asked for, and the third leaves at once, whatever is on its way.
                box.sql_until(_PAUSED, 1)
        assert run.process.wait(60) == 4
    gate.path.unlink()


def test_all_hands_a_signal_on_and_begins_nothing_after_it(box: Box):
    text = "one: true\ntwo: test ! -e gate || cat gate\n"
    for name in ("a", "b"):
        box.file(f"{name}.jobs", text)
        kill_in_the_middle(box, "run", f"{name}.jobs", "-j1")
    gate = box.gate()
    with box.started("resume", "--all") as run:
        gate.reached()
        run.signal(signal.SIGTERM)
        done = run.ended()

    assert done.code == 4
    assert "pexen: asked to end: stopping what runs. `pexen resume` goes on." in done.err
    assert box.sql("SELECT run, how_ended FROM sessions ORDER BY id") == [
        (1, "killed"),
        (2, "killed"),
        (1, "stopped"),
    ]


def test_all_dies_of_the_signal_that_its_runner_dies_of(box: Box):
    """By an exit code a service manager would not know that it is to be started again."""
    box.file("a.jobs", "one: true\ntwo: test ! -e gate || cat gate\n")
    kill_in_the_middle(box, "run", "a.jobs", "-j1")
    gate = box.gate()
    with box.started("resume", "--all") as run:
        gate.reached()
        runner = json.loads(Path(f"{box.journal}.lock").read_text())["pid"]
        assert runner != run.process.pid
        os.kill(runner, signal.SIGKILL)
        done = run.ended()
    gate.path.unlink()

    assert done.code == -signal.SIGKILL
    assert "the runner was killed by SIGKILL. `pexen resume` goes on." in done.err
    assert box.pexen("resume", "--all").code == 0


def test_a_suite_that_is_not_there_any_more_is_a_mistake_and_not_the_end(box: Box):
    box.script("suite/1")
    box.script("suite/2", "test ! -e ../gate || cat ../gate")
    kill_in_the_middle(box, "run", "suite")
    for name in ("1", "2"):
        (box.directory / "suite" / name).unlink()
    box.script("suite/other")

    done = box.pexen("resume", "--unattended")

    assert done.code == 2
    assert "run 1 cannot go on: none of its tasks is in its suite any more, which is: suite. `pexen run`" in done.err
    assert box.sql("SELECT state, sessions FROM runs") == [("unfinished", 1)]


def test_a_journal_of_an_older_pexen_is_upgraded_on_the_way(box: Box):
    box.journal.parent.mkdir()
    shutil.copy(Path(__file__).parents[1] / "journal/fixtures/journal-0001.db", box.journal)

    check = box.pexen("resume", "--check")
    done = box.pexen("resume", "--all", "--unattended")

    assert check.code == 0
    assert [line.split()[:5] for line in check.lines] == [["run", "3", "was", "cut", "off"]]
    assert done.code in (0, 1), done.err  # as its runs end
    assert box.pexen("runs").code == 0
