"""`logs -f` and `events -f`: a run as it goes on, to its end, and not a byte less."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.cli.box import COMMAND, Box
from tests.cli.typed import typed


def test_the_output_of_a_task_is_followed_over_its_attempts_to_its_end(box: Box):
    first, second = box.gate("gate1"), box.gate("gate2")
    box.script("suite/a", 'echo "one $PEXEN_ATTEMPT"; cat "../gate$PEXEN_ATTEMPT"; printf "two $PEXEN_ATTEMPT"; exit 1')
    with box.started("run", "suite", "--retries", "1") as run:
        first.reached()
        with box.started("logs", "-f", "a") as logs:
            logs.until("one 1")
            first.let_go()
            second.reached()
            logs.until("one 2")
            second.let_go()
            ended = logs.ended()
        assert run.ended().code == 1
    assert ended.code == 0
    assert ended.out == "two 2\n"
    assert "== suite/a, attempt 2 ==" in ended.err


def test_all_that_runs_is_followed_with_the_name_of_who_said_it_until_nobody_runs_it(box: Box):
    gate, last = box.gate(), box.gate("last")
    box.file("s.jobs", f"a: echo early; {gate.wait}; echo late\nb: echo short\nc: echo before; {last.wait}\n")
    with box.started("run", "s.jobs", "-j1") as run:
        gate.reached()
        with box.started("logs", "-f") as logs:
            logs.until("a | early")
            gate.let_go()
            last.reached()
            assert logs.until("b | ") == "b | short\n"
            logs.until("c | before")
            run.signal(signal.SIGKILL)
            run.process.wait()
            ended = logs.ended()
    assert ended.code == 0
    assert ended.out == ""
    assert ended.err.endswith("nobody runs run 1 any more\n")


def test_a_task_that_has_not_begun_is_waited_for_and_one_that_has_ended_is_shown(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"a: {gate.wait}\nb: printf 'x\\033[31my\\n'\n")
    with box.started("run", "s.jobs", "-j1") as run:
        gate.reached()
        with box.started("logs", "-f", "b", "--raw") as raw, box.started("logs", "-f", "b") as logs:
            box.sql_until("SELECT state FROM tasks WHERE task = 'a'", "running")
            gate.let_go()
            assert raw.ended().out == "x\x1b[31my\n"
            assert logs.ended().out == "xy\n"
        assert run.ended().code == 0
    assert typed(box.directory, "logs", "-f", "b").out == "xy\n"
    assert typed(box.directory, "logs", "-f").err == "nobody runs run 1 any more\n"


@pytest.mark.parametrize("option", ["--all", "--failed", "--path", "--json", "--attempt"])
def test_what_cannot_be_followed_is_refused(box: Box, option: str):
    words = [option, "1"] if option == "--attempt" else [option]

    done = typed(box.directory, "logs", "-f", *words)

    assert done.code == 2
    assert done.err == f"pexen: -f and {option} do not go together: what runs now is followed\n"


def test_a_path_of_a_task_that_printed_nothing_is_no_silence(box: Box):
    box.file("s.jobs", "quiet: true\n")
    assert box.pexen("run", "s.jobs").code == 0

    for option in ("--path", "--raw"):
        done = typed(box.directory, "logs", "quiet", option)
        assert (done.code, done.out, done.err) == (0, "", "quiet printed nothing in attempt 1\n")


def events(out: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in out.splitlines()]
    assert all(one["schema"] == 1 and one["run"] == 1 for one in found)
    return found


def test_events_are_followed_from_before_the_first_to_the_end_of_the_run(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"a: {gate.wait}\nb: exit 3\n")
    with box.started("run", "s.jobs", "-j1") as run:
        gate.reached()
        with box.started("events", "-f") as following:
            following.until('"new": "submitted"')
            gate.let_go()
            rest = following.ended()
        assert run.ended().code == 1
    assert rest.code == 0
    whole = events(typed(box.directory, "events").out)
    assert events(rest.out) == whole[len(whole) - len(events(rest.out)) :]
    assert [one["type"] for one in whole[:2]] == ["event", "session"]
    results = [one for one in whole if one["type"] == "result"]
    assert [(one["task"], one["state"], one["verdict"], one["exit_code"]) for one in results] == [
        ("a", "succeeded", "pass", 0),
        ("b", "failed", "fail", 3),
    ]
    last = whole[-1]
    assert (last["type"], last["state"], last["how_ended"]) == ("session", "ended", "finished")
    transitions = [(one["seq"], one["task"], one["old"], one["new"]) for one in whole if one["type"] == "transition"]
    assert transitions == box.sql("SELECT seq, task, old, new FROM transitions ORDER BY seq")


def test_events_go_on_after_the_one_that_was_dealt_with(box: Box):
    box.file("s.jobs", "a: true\nb: true\n")
    assert box.pexen("run", "s.jobs", "-j1").code == 0
    whole = events(typed(box.directory, "events").out)
    middle = int(str(whole[len(whole) // 2]["seq"]))

    after = events(typed(box.directory, "events", "--after", str(middle)).out)

    assert [one for one in after if one["type"] != "session"] == [
        one for one in whole if int(str(one["seq"])) > middle and one["type"] != "session"
    ]
    assert typed(box.directory, "events", "--after", "99999999999999999999").out == ""


@pytest.mark.parametrize("words", [["events", "-f"], ["logs", "-f"], ["status", "--watch"]])
def test_whoever_stops_reading_ends_the_following(box: Box, words: list[str]):
    gate = box.gate()
    box.file("s.jobs", f"a: echo begun; {gate.wait}\n")
    with box.started("run", "s.jobs") as run:
        gate.reached()
        box.sql_until("SELECT state FROM tasks WHERE task = 'a'", "running")
        reading, writing = os.pipe()
        with subprocess.Popen(
            [*COMMAND, *words], cwd=box.directory, env=box.environment, stdout=writing, stderr=subprocess.PIPE
        ) as following:
            os.close(writing)
            assert os.read(reading, 1)
            os.close(reading)
            try:
                assert following.wait(60) == 0
                assert following.stderr is not None
                assert following.stderr.read() == b""
            finally:
                following.kill()
        gate.let_go()
        assert run.ended().code == 0


def test_ctrl_c_ends_the_following_and_not_the_run(box: Box):
    gate = box.gate()
    box.file("s.jobs", f"a: echo begun; {gate.wait}\n")
    with box.started("run", "s.jobs") as run:
        gate.reached()
        for words, text in ((["events", "-f"], "session"), (["logs", "-f", "a"], "begun")):
            with box.started(*words) as following:
                following.until(text)
                following.signal(signal.SIGINT)
                assert following.ended().code == 0
        gate.let_go()
        assert run.ended().code == 0
