"""`status`, `locks` and `why` of a run that goes on, is cut off, and goes on again."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import termios

import pytest

from pexen_state.report.status import window_in_words
from tests.cli.box import Box, Ended
from tests.cli.typed import typed, typed_json


def at_work(box: Box) -> Box:
    """`net/holder` holds a lock and waits at the gate; two tasks want it, others what it provides."""
    gate = box.gate()
    tasks = [
        {"name": "fs/bad", "cmd": "echo no space; exit 3"},
        {"name": "net/holder", "cmd": f"echo holding; {gate.wait}", "claims": ["/proc/sys/net"], "provides": ["net"]},
        {"name": "net/second", "cmd": "true", "claims": ["/proc/sys"]},
        {"name": "net/third", "cmd": "true", "uses": ["/proc/sys/net/ipv4"]},
        {"name": "net/ping", "cmd": "true", "requires": ["net"]},
        {"name": "fs/after", "cmd": "true", "requires": ["ping"]},
        {"name": "ping", "cmd": "true", "requires": ["net"], "provides": ["ping"]},
    ]
    box.file("s.jsonl", "".join(f"{json.dumps(task)}\n" for task in tasks))
    return box


def said(done: Ended) -> list[str]:
    """Without times and the window, which are another one each time."""
    assert done.code == 0, done.err
    lines = [re.sub(r"\d+\.\d+s", "T", re.sub(r"\[ *\d+\.\d+s\]", "[T]", line)) for line in done.lines]
    return [re.sub(r"at most \d+ tasks", "at most N tasks", line) for line in lines]


def test_a_run_is_looked_at_while_it_goes_on_after_it_was_cut_off_and_at_its_end(box: Box):
    at_work(box)
    gate = box.gates[0]
    here = box.directory
    with box.started("run", "s.jsonl", "-j2", "--name", "nightly") as run:
        gate.reached()
        box.sql_until("SELECT state FROM tasks WHERE task = 'net/holder'", "running")
        box.sql_until("SELECT count(*) FROM tasks WHERE state = 'failed'", 1)

        lines = said(typed(here, "status"))
        assert lines == [
            f"run 1  suite nightly  running by the process {run.process.pid}",
            "  1 of 7 tasks ended: 1 fail",
            "  running for T",
            "  at most N tasks are handed over at once; 1 is",
            "  running [T] net/holder",
            "  FAIL    [T] fs/bad  exit 3",
            "  lock /proc/sys/net: claimed by net/holder; 2 tasks want it",
            "Next: pexen status 1 --watch",
        ]
        document = typed_json(here, "status", "nightly")
        assert (document["done"], document["tasks"], document["counts"]["fail"]) == (1, 7, 1)
        assert [one["task"] for one in document["running"]] == ["net/holder"]
        assert document["window"] >= 3
        assert document["in_flight"] == 1
        assert said(typed(here, "locks"))[1].split() == [
            *("/proc/sys/net", "claimed", "net/holder", "T", "2:", "net/second", "net/third")
        ]
        assert said(typed(here, "why", "third")) == [
            "net/third waits for the lock /proc/sys/net/ipv4, claimed by net/holder as /proc/sys/net for T."
        ]
        assert said(typed(here, "why", "second")) == [
            "net/second waits for the lock /proc/sys, claimed by net/holder as /proc/sys/net for T."
        ]
        assert said(typed(here, "why", "holder")) == ["net/holder is running for T."]
        assert said(typed(here, "why", "after")) == [
            "fs/after requires 'ping' and waits for ping (waiting).",
            "ping requires 'net' and waits for net/holder (running).",
            "net/holder is running for T.",
        ]
        assert typed(here, "logs", "holder").out == "holding\n"
        assert typed(here, "runs").lines[1].split()[2] == "running"
        run.signal(signal.SIGKILL)
        run.process.wait()

    lines = said(typed(here, "status"))
    assert lines[0] == "run 1  suite nightly  interrupted"
    assert "handed over" not in "\n".join(lines)
    document = typed_json(here, "status")
    assert (document["window"], document["in_flight"]) == (None, None)
    assert lines[2] == "  ran T so far"
    assert lines[-1] == "Next: pexen resume 1"
    assert said(typed(here, "why", "holder")) == [
        "net/holder was in flight when run 1 was cut off; it runs again when the run goes on.",
        "Nobody runs run 1 now, it is interrupted: `pexen resume 1` goes on with it.",
    ]
    assert said(typed(here, "why", "second"))[0] == (
        "net/second waits for the lock /proc/sys, claimed by net/holder as /proc/sys/net, which was cut off."
    )
    assert "attempt 1: was in flight when the run was cut off" in typed(here, "show", "holder").out
    assert "net/holder  cut off" in typed(here, "show", "holder").out

    gate.path.unlink()
    box.file("gate", "")
    assert box.pexen("resume").code == 1
    lines = said(typed(here, "status"))
    assert lines[0] == "run 1  suite nightly  finished"
    assert lines[1] == "  7 of 7 tasks ended: 6 pass, 1 fail"
    assert lines[2] == "  ran T, in 2 sessions"
    assert lines[-1] == "Next: pexen logs 1 --failed"
    assert typed(here, "locks").out == "no lock is held in run 1\n"
    sessions = [line for line in typed(here, "show").lines if line.startswith("  session")]
    assert re.search(r"  killed; last seen at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", sessions[0])
    assert re.search(r"  finished at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", sessions[1])
    assert "attempt 1: the runner was killed" in typed(here, "show", "holder").out


def test_a_runner_that_has_no_time_to_answer_is_not_waited_for_long(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"a: {gate.wait}\nb: true\n")
    with box.started("run", "s.jobs", "-j1") as run:
        gate.reached()
        box.sql_until("SELECT state FROM tasks WHERE task = 'a'", "running")
        run.signal(signal.SIGSTOP)

        lines = said(typed(box.directory, "status"))

        assert lines[0].endswith(f"running by the process {run.process.pid}")
        assert "handed over" not in "\n".join(lines)
        assert typed_json(box.directory, "status")["window"] is None
        run.signal(signal.SIGCONT)
        gate.let_go()
        assert run.ended().code == 0


@pytest.mark.parametrize(
    ("window", "in_flight", "words"),
    [
        (9, 5, "at most 9 tasks are handed over at once; 5 are"),
        (9, 1, "at most 9 tasks are handed over at once; 1 is"),
        (9, 0, "at most 9 tasks are handed over at once; none is"),
        (1, 1, "at most 1 task is handed over at once; 1 is"),
        (3, 5, "at most 3 tasks are handed over at once; 5 still are"),  # the window was larger when they were
    ],
)
def test_the_window_in_words(window: int, in_flight: int, words: str):
    assert window_in_words(window, in_flight) == words


def test_a_dirty_lock_of_an_unfinished_run_is_freed_by_the_command_that_is_named(box: Box):
    gate = box.gate()
    tasks = [
        {"name": "raid/rebuild", "cmd": "sleep 600", "claims": ["/dev/md 0"], "timeout": 0.2},
        {"name": "raid/check", "cmd": "true", "uses": ["/dev/md 0"]},
        {"name": "waits", "cmd": gate.wait},
    ]
    box.file("s.jsonl", "".join(f"{json.dumps(task)}\n" for task in tasks))
    here = box.directory
    with box.started("run", "s.jsonl", "-j2") as run:
        gate.reached()
        box.sql_until("SELECT state FROM tasks WHERE task = 'raid/rebuild'", "timed_out")
        first, way_out = said(typed(here, "why", "check"))
        assert re.fullmatch(
            r"raid/check waits for the lock /dev/md 0, left dirty by raid/rebuild \(timeout\) for T\.", first
        )
        assert way_out == "When /dev/md 0 is clean: pexen unlock -r 1 '/dev/md 0'"
        assert typed(here, "locks").lines[-1] == way_out
        assert "  lock /dev/md 0: left held by raid/rebuild (timeout); 1 task wants it" in typed(here, "status").lines
        freed = box.pexen("unlock", "-r", "1", "/dev/md 0")
        assert freed.code == 0, freed.err
        box.sql_until("SELECT state FROM tasks WHERE task = 'raid/check'", "succeeded")
        assert typed(here, "locks").out == "no lock is held in run 1\n"
        gate.let_go()
        assert run.ended().code == 1


def test_a_superseded_run_and_a_paused_one_say_what_to_do(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"a: {gate.wait}\nb: true\n")
    here = box.directory
    for _ in range(2):
        with box.started("run", "s.jobs", "-j1") as run:
            gate.reached()
            run.signal(signal.SIGINT)
            run.until("running", "err")
            box.until_quiet()  # what was handed over already is taken back before a worker can begin it
            gate.let_go()
            assert run.ended().code == 4

    assert said(typed(here, "status", "1"))[-1] == "Next: pexen status 2"
    assert said(typed(here, "why", "1", "b")) == [
        "b will not run in run 1: it is superseded by run 2 of the same suite."
    ]
    assert said(typed(here, "status"))[0].endswith("paused")
    assert said(typed(here, "why", "b")) == [
        "b is ready.",
        "Nobody runs run 2 now, it is paused: `pexen resume 2` goes on with it.",
    ]


def test_an_estimate_comes_from_past_runs_and_running_tasks_say_what_is_usual(box: Box):
    box.file("s.jobs", "a: sleep 0.3\nb: sleep 0.3\n")
    assert box.pexen("run", "s.jobs", "-j1").code == 0
    gate = box.gate()
    box.file("s.jobs", f"a: sleep 0.3; {gate.wait}\nb: true\n")
    with box.started("run", "s.jobs", "-j1"):
        gate.reached()
        box.sql_until("SELECT state FROM tasks WHERE run = 2 AND task = 'a'", "running")

        lines = typed(box.directory, "status").lines

        assert re.search(r", about 0\.[2-9]s left", lines[2])  # the first run took 0.3 s, or a little more
        assert re.fullmatch(r"  running \[ +\d\.\d\ds\] a  usually 0\.[2-9]s", lines[4])
        assert typed_json(box.directory, "status")["running"][0]["usual_seconds"] > 0.25


def test_watching_without_a_terminal_prints_a_line_for_each_change_and_ends_with_the_run(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"a: exit 1\nb: {gate.wait}\nc: true\n")
    with box.started("run", "s.jobs", "-j1") as run:
        gate.reached()
        box.sql_until("SELECT state FROM tasks WHERE task = 'b'", "running")
        with box.started("status", "--watch") as watch:
            assert watch.until("running: b") == "run 1  running  1/3  1 fail  running: b\n"
            gate.let_go()
            ended = watch.ended()
        assert run.ended().code == 1
    assert ended.code == 0
    assert ended.lines[-1] == "run 1  finished  3/3  2 pass 1 fail"
    again = typed(box.directory, "status", "--watch")
    assert again.lines == ["run 1  finished  3/3  2 pass 1 fail"]


def test_watching_on_a_terminal_draws_over_itself_and_ctrl_c_ends_it_with_0(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"a: {gate.wait}\n")
    with box.started("run", "s.jobs", "-j1") as run:
        gate.reached()
        box.sql_until("SELECT state FROM tasks WHERE task = 'a'", "running")
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
        with box.started("status", "-w", env={"TERM": "xterm"}, stdout=theirs) as watch:
            os.close(theirs)
            seen = b""
            while seen.count(b"\x1b[H") < 2:  # two frames
                seen += os.read(ours, 4096)
            watch.signal(signal.SIGINT)
            assert watch.process.wait(60) == 0
        frame = seen.split(b"\x1b[H")[1].decode()
        assert "running [" in frame
        assert frame.endswith("\x1b[J")
        assert "\x1b[2J" not in frame  # nothing is blank in between
        assert all(len(re.sub(r"\x1b\[\d*[A-Za-z]", "", line).rstrip("\r")) < 40 for line in frame.split("\n")[1:])
        os.close(ours)
        gate.let_go()
        assert run.ended().code == 0


def test_watching_as_json_is_refused(box: Box):
    done = box.pexen("status", "--watch", "--json")

    assert done.code == 2
    assert done.err == (
        "pexen: --watch and --json do not go together: `pexen events -f` tells other programs what happens\n"
    )


@pytest.mark.parametrize("verb", ["status", "locks", "events"])
def test_only_one_run_can_be_named(box: Box, verb: str):
    box.file("s.jobs", "true\n")
    assert box.pexen("run", "s.jobs").code == 0

    assert typed(box.directory, verb, "1", "-r", "2").err == "pexen: two runs are named: 1 and 2\n"
    assert typed(box.directory, verb, "9").err == "pexen: the journal has no run 9. `pexen runs` lists them.\n"
