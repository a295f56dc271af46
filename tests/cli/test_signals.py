"""Ctrl-C in its stages, SIGTERM, SIGHUP, and a reader that leaves: the run can always be resumed."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.cli.box import COMMAND, Box

SUITE = ["suite/1", "suite/2", "suite/3"]


@pytest.fixture
def waiting(box: Box) -> Box:
    """A suite whose first task waits at the gate `gate`, until a file `go` is there."""
    box.script("suite/1", "test -e ../go || cat ../gate")
    box.script("suite/2")
    box.script("suite/3")
    return box


def how_sessions_ended(box: Box) -> list[str]:
    return [how for (how,) in box.sql("SELECT how_ended FROM sessions ORDER BY id")]


def test_the_first_ctrl_c_lets_running_tasks_end_and_starts_nothing_new(waiting: Box):
    gate = waiting.gate()
    with waiting.started("run", "suite") as run:
        gate.reached()
        run.signal(signal.SIGINT)
        said = run.until("interrupted", "err")
        waiting.until_quiet()  # what was handed over already is taken back before a worker can begin it
        gate.let_go()
        done = run.ended()

    assert "1 task is still running and may end. Ctrl-C again stops them." in said
    assert done.code == 4
    assert "PASS" in done.out
    assert " left; in " in done.out
    assert done.out.endswith("Go on with: pexen resume 1\n")
    assert how_sessions_ended(waiting) == ["paused"]
    # What is in the worker's hands already may still begin before the word reaches it; nothing after that.
    assert waiting.sql("SELECT verdict FROM tasks WHERE task != 'suite/2' ORDER BY task") == [("pass",), (None,)]

    again = waiting.pexen("resume")

    assert again.code == 0
    assert again.lines[1].startswith("run 1 was paused at ")
    assert waiting.sql("SELECT task, attempts FROM tasks ORDER BY task") == [(key, 1) for key in SUITE]


def test_the_second_ctrl_c_stops_what_runs(waiting: Box):
    gate = waiting.gate()
    with waiting.started("run", "suite") as run:
        gate.reached()
        run.signal(signal.SIGINT)
        run.until("interrupted", "err")
        run.signal(signal.SIGINT)
        run.until("stopping what runs", "err")
        done = run.ended()

    assert done.code == 4
    assert waiting.sql("SELECT cause FROM attempts") == [("stopped",)]
    waiting.file("go", "")
    assert waiting.pexen("resume").code == 0


def test_the_third_ctrl_c_leaves_at_once_and_the_journal_is_consistent(waiting: Box):
    gate = waiting.gate()
    waiting.script("suite/1", "trap '' TERM; test -e ../go || cat ../gate")
    with waiting.started("run", "suite") as run:
        gate.reached()
        for said in ("interrupted", "stopping"):
            run.signal(signal.SIGINT)
            run.until(said, "err")
        run.signal(signal.SIGINT)
        assert run.process.wait(60) == 4

    waiting.file("go", "")
    assert waiting.pexen("db", "check").code == 0
    assert waiting.pexen("resume").code == 0
    assert how_sessions_ended(waiting) == ["killed", "finished"]


def test_sigterm_is_a_clean_stop(waiting: Box):
    gate = waiting.gate()
    with waiting.started("run", "suite") as run:
        gate.reached()
        run.signal(signal.SIGTERM)
        done = run.ended()

    assert done.code == 4
    assert "pexen: asked to end: stopping what runs. `pexen resume` goes on." in done.err
    assert how_sessions_ended(waiting) == ["stopped"]
    waiting.file("go", "")
    again = waiting.pexen("resume")
    assert again.code == 0
    assert "run 1 was stopped at " in again.out
    assert waiting.sql("SELECT task, attempts FROM tasks ORDER BY task") == [
        ("suite/1", 2),
        ("suite/2", 1),
        ("suite/3", 1),
    ]


@contextmanager
def on_terminal(box: Box, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A run in front of a terminal of its own: the process, and our side of the terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "run", "suite"],
        cwd=box.directory,
        env={**box.environment, **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        with suppress(OSError):
            os.close(ours)


def take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def shown_until(terminal: int, text: bytes) -> bytes:
    said = b""
    while text not in said:
        said += os.read(terminal, 4096)
    return said


def shown_to_the_end(terminal: int) -> bytes:
    said = b""
    with suppress(OSError):  # a terminal that nobody has open any more
        while piece := os.read(terminal, 4096):
            said += piece
    return said


def test_a_terminal_that_goes_away_does_not_end_the_run(waiting: Box):
    gate = waiting.gate()
    with on_terminal(waiting) as (process, terminal):
        gate.reached()
        os.close(terminal)  # the kernel sends SIGHUP, and every write from now on fails with EIO
        gate.let_go()

        assert process.wait(60) == 0
    assert waiting.sql("SELECT state, passed FROM runs") == [("finished", 3)]


def test_ctrl_c_on_a_terminal_reaches_pexen_and_not_the_tasks(waiting: Box):
    gate = waiting.gate()
    with on_terminal(waiting) as (process, terminal):
        gate.reached()
        os.write(terminal, b"\x03")
        shown_until(terminal, b"Ctrl-C again stops them.")
        gate.let_go()

        assert process.wait(60) == 4
    assert waiting.sql("SELECT verdict FROM tasks WHERE task != 'suite/2' ORDER BY task") == [("pass",), (None,)]


def test_the_third_ctrl_c_leaves_a_terminal_as_it_was(waiting: Box):
    gate = waiting.gate()
    waiting.script("suite/1", "trap '' TERM; test -e ../go || cat ../gate")
    hidden, visible = b"\x1b[?25l", b"\x1b[?25h"
    with on_terminal(waiting, TERM="xterm-256color", CI="", GITHUB_ACTIONS="") as (process, terminal):
        gate.reached()
        shown = b""
        for said in (b"Ctrl-C again stops them.", b"Ctrl-C again leaves at once"):
            os.write(terminal, b"\x03")
            shown += shown_until(terminal, said)
        os.write(terminal, b"\x03")
        shown += shown_to_the_end(terminal)

        assert process.wait(60) == 4
    assert hidden in shown
    assert shown.rindex(visible) > shown.rindex(hidden)


def test_a_reader_that_leaves_does_not_end_the_run(waiting: Box):
    gate = waiting.gate()
    with waiting.started("run", "suite", stderr=subprocess.DEVNULL) as run:
        gate.reached()
        assert run.process.stdout is not None
        run.process.stdout.close()
        gate.let_go()

        assert run.process.wait(60) == 0
    assert waiting.sql("SELECT state, passed FROM runs") == [("finished", 3)]


def test_a_closed_standard_output_does_not_end_the_run(waiting: Box):
    waiting.file("go", "")

    done = waiting.pexen("run", "suite", prefix=("sh", "-c", 'exec "$@" >&- 2>&-', "sh"))

    assert done.code == 0
    assert waiting.sql("SELECT state, passed FROM runs") == [("finished", 3)]


def test_a_looking_verb_whose_reader_leaves_is_content(waiting: Box):
    waiting.file("go", "")
    waiting.pexen("run", "suite")

    done = waiting.pexen(
        "sql",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n",
        prefix=("bash", "-c", 'set -o pipefail; "$@" | head -n 1', "bash"),
    )

    assert (done.code, done.err) == (0, "")
