"""What a person sees of a run, on real terminals and where there is none."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.cli.box import Box
from tests.cli.screens import Tmux, environment, needs_tmux, on_a_terminal, tmux
from tests.cli.test_hostile import NAMES

__all__ = ["tmux"]

LONG = "a-directory-with-a-rather-long-name/and-another-one/rebuild-of-all-the-disks"

#: Colours; up, and erase the line; show and hide the cursor. Nothing else is ever written.
ALLOWED = re.compile(rb"\x1b\[(?:[0-9;]*m|1A|2K|\?25[hl])")


@pytest.fixture
def suite(box: Box) -> Box:
    """Four tasks, of which the last one waits at a gate."""
    box.script("suite/1-pass")
    box.script("suite/2-fail", 'echo "no lease after 2 s"; exit 1')
    box.script("suite/3-pass")
    box.script(f"suite/4/{LONG}", f"test -e '{box.directory}/go' || {box.gate().wait}")
    return box


@needs_tmux
@pytest.mark.parametrize("columns", [80, 200])
def test_a_bar_stands_below_the_failures_while_tasks_run_and_the_summary_at_the_end(
    suite: Box, tmux: Tmux, columns: int
):
    (gate,) = suite.gates
    tmux.start(("run", "suite", "-j1"), columns, 24, suite.directory, environment(suite.environment))
    gate.reached()
    screen = tmux.shows("0:00  suite/4")

    lines = screen.splitlines()
    header = " ".join(line.strip() for line in lines[: next(at for at, line in enumerate(lines) if "FAIL" in line)])
    assert "run 1" in header
    assert "4 tasks" in header
    assert "1 worker" in header
    assert "PASS" not in screen
    assert "| no lease after 2 s" in screen
    bar, running = lines[-2:]
    assert re.fullmatch(r"  ━*╸━*  3/4  2 pass 1 fail   0:\d\d", bar)
    assert re.fullmatch(r"     \d:\d\d  suite/4/.*rebuild-of-all-the-disks", running)
    assert ("…" in running) is (columns == 80)
    assert "\x1b[1m\x1b[31mFAIL" in tmux.screen(colours=True)

    gate.let_go()

    assert tmux.ended() == 1
    end = tmux.screen(history=True)
    assert "━" not in end
    assert "run 1: 4 tasks: 3 pass, 1 fail; in " in end
    assert "See what failed: pexen logs 1 --failed" in end
    assert tmux.has_cursor


@needs_tmux
def test_ctrl_c_is_answered_above_the_bar_and_the_third_one_leaves_the_terminal_in_order(box: Box, tmux: Tmux):
    gate = box.gate()
    box.script("suite/stubborn", f"trap '' TERM; {gate.wait}")
    box.script("suite/next")
    tmux.start(("run", "suite", "-j1"), 100, 24, box.directory, environment(box.environment))
    gate.reached()
    tmux.shows("0:00  suite/stubborn")

    for said in ("interrupted: nothing new is started", "stopping what runs. Ctrl-C again leaves at once"):
        tmux.type("C-c")
        lines = tmux.shows(said).splitlines()
        above = next(at for at, line in enumerate(lines) if said in line)
        assert any("suite/stubborn" in line for line in lines[above + 1 :])
    tmux.type("C-c")

    assert tmux.ended() == 4
    assert tmux.screen().splitlines()[-1] == "[ended: 4]"
    assert tmux.has_cursor


@needs_tmux
def test_after_sigkill_the_terminal_needs_no_mending(suite: Box, tmux: Tmux):
    (gate,) = suite.gates
    tmux.start(("run", "suite", "-j1"), 80, 24, suite.directory, environment(suite.environment))
    gate.reached()
    tmux.shows("0:00  suite/4")
    assert tmux.has_cursor

    os.kill(suite.sql("SELECT pid FROM sessions")[0][0], signal.SIGKILL)

    assert tmux.ended() == 128 + signal.SIGKILL
    assert tmux.has_cursor


@needs_tmux
def test_a_resized_terminal_gets_frames_of_its_new_width(suite: Box, tmux: Tmux):
    (gate,) = suite.gates
    tmux.start(("run", "suite", "-j1"), 160, 30, suite.directory, environment(suite.environment))
    gate.reached()
    tmux.shows(LONG)

    tmux.resize(60, 20)
    screen = tmux.until(lambda screen: "…" in screen.splitlines()[-1], "name that was cut")

    assert max(map(len, screen.splitlines()[-2:])) < 60
    gate.let_go()
    assert tmux.ended() == 1
    assert "run 1: 4 tasks" in tmux.screen()


@needs_tmux
def test_the_time_left_and_what_is_usual_come_from_the_past(suite: Box, tmux: Tmux):
    suite.file("go", "")
    assert suite.pexen("run", "suite", "-j1").code == 1
    (suite.directory / "go").unlink()
    (gate,) = suite.gates

    tmux.start(("run", "suite", "-j1"), 160, 24, suite.directory, environment(suite.environment))
    gate.reached()
    screen = tmux.shows("0:00  suite/4")

    assert re.search(r"3/4  2 pass 1 fail   0:0\d, about 0:0\d left", screen)
    assert re.search(r"rebuild-of-all-the-disks   usually \d", screen)
    gate.let_go()
    tmux.ended()


def shown_on(box: Box, *words: str | bytes, **env: str) -> str:
    """What a bare terminal was sent by a run. Nothing in it but what we write ourselves."""
    code, written = on_a_terminal(words, box.directory, environment(box.environment, **env))
    assert code in (0, 1), written
    rest = ALLOWED.sub(b"", written)
    assert b"\x1b" not in rest, rest
    assert b"Traceback" not in rest, rest
    return written.decode()


def test_a_terminal_is_sent_colours_unless_it_is_asked_not_to(suite: Box):
    suite.file("go", "")

    assert "\x1b[1;31mFAIL" in shown_on(suite, "run", "suite")
    for words, env in (
        (("run", "suite"), {"NO_COLOR": "1"}),
        (("run", "suite", "--color", "never"), {}),
        (("run", "suite", "--color", "never"), {"FORCE_COLOR": "1"}),
    ):
        plain = shown_on(suite, *words, **env)
        assert "FAIL " in plain
        assert not re.search(r"\x1b\[[0-9;]*m", plain)
        assert "\x1b[2K" in plain  # there is a bar all the same


@pytest.mark.parametrize(
    "env", [{"TERM": "dumb"}, {"CI": "true"}, {"GITHUB_ACTIONS": "true", "CI": "true"}], ids=lambda env: next(iter(env))
)
def test_a_terminal_that_is_none_is_sent_lines(suite: Box, env: dict[str, str]):
    suite.file("go", "")

    shown = shown_on(suite, "run", "suite", "--color", "never", **env)

    assert "\x1b" not in shown
    lines = shown.replace("\r\n", "\n").split("\n")
    assert "\r" not in "".join(lines)
    assert sum("/4 suite/" in line for line in lines) == 4
    assert ("::error title=suite/2-fail::exit 1" in lines) is ("GITHUB_ACTIONS" in env)


def test_a_quiet_terminal_is_sent_what_is_wrong(suite: Box):
    suite.file("go", "")

    shown = shown_on(suite, "run", "suite", "-q").replace("\r\n", "\n").split("\n")

    assert "FAIL" in shown[0]
    assert shown[1:3] == ["         | no lease after 2 s", ""]


@pytest.mark.parametrize(
    "env", [{"LC_ALL": "C"}, {"LANG": "C"}, {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}], ids=["LC_ALL", "LANG", "io"]
)
def test_without_utf_8_the_bar_is_ascii(box: Box, env: dict[str, str]):
    box.script("suite/1")
    box.script("suite/2", "sleep 0.5; exit 1")

    assert shown_on(box, "run", "suite", "--name", "x", **env).isascii()


def test_a_name_that_the_stream_cannot_hold_is_shown_as_an_escape(box: Box):
    box.script("suite/größe", "echo ß; exit 1")

    done = box.pexen("run", "suite", env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"})

    assert "suite/gr\\xf6\\xdfe  exit 1" in done.out
    assert "         | \\xdf" in done.out


def test_a_pipe_gets_lines_with_colours_only_if_they_are_forced(suite: Box):
    suite.file("go", "")
    for env, words, coloured in (
        ({}, (), False),
        ({"FORCE_COLOR": "1"}, (), True),
        ({}, ("--color", "always"), True),
    ):
        done = suite.pexen("run", "suite", *words, env=env)
        assert ("\x1b[1;31mFAIL   \x1b[0m" in done.out) is coloured
        assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", done.out)
        assert sum("/4 suite/" in line for line in done.lines) == 4


def test_show_output_is_obeyed(suite: Box):
    suite.file("go", "")
    suite.script("suite/3-pass", "echo all is well")

    everything = suite.pexen("run", "suite", "--show-output", "all")
    nothing = suite.pexen("run", "suite", "--show-output", "none")

    assert "         | all is well" in everything.lines
    assert "         | no lease after 2 s" in everything.lines
    assert not [line for line in nothing.lines if "|" in line]


def test_github_gets_groups_and_annotations_that_no_task_can_forge(box: Box):
    box.script(
        "suite/a", "echo ::endgroup::; echo '::error::forged'; printf '\\r::warning::forged\\n##[error]x\\n'; exit 1"
    )
    box.script("suite/b,c:d", "exit 99")

    done = box.pexen("run", "suite", env={"GITHUB_ACTIONS": "true"})

    commands = [line for line in done.lines if line.lstrip().startswith("::") or "##[" in line]
    assert commands == [
        "::group::suite/a",
        "::endgroup::",
        "::error title=suite/a::exit 1",
        "::error title=suite/b%2Cc%3Ad::exit 99",
    ]


def test_hostile_names_and_output_do_not_steer_a_terminal(box: Box):
    for label, name in NAMES.items():
        if label == "dots":
            continue
        path = os.fsencode(box.directory) + b"/suite/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"#!/bin/sh\nprintf '%s\\n\\033[2J\\033]0;owned\\007\\000\\302\\233[31m[bold]:x:\\n' \"$0\"\n")
            file.write(b"head -c 1048576 /dev/zero | tr '\\0' '\\033'\nexit 1\n")
        os.chmod(path, 0o755)

    shown = shown_on(box, "run", "suite", "-j2", "--show-output", "all")

    rest = ALLOWED.sub(b"", shown.encode()).decode()
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", rest)
    assert rest.count("[bold]:x:") == len(NAMES) - 1


def test_a_reader_that_goes_away_does_not_end_the_run(suite: Box):
    suite.file("go", "")

    piped = suite.pexen(prefix=("sh", "-c", '"$@" run suite | head -n 1', "sh"))

    assert piped.out.startswith("pexen ")
    assert suite.sql("SELECT count(*) FROM tasks WHERE verdict IS NOT NULL") == [(4,)]
