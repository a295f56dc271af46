"""Whatever tasks are called and print: a terminal is not steered by it, and no CI system is commanded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pexen_state.core.states import Verdict
from pexen_state.report.display import Display, Ended, Past, Progress, Running, Summary
from tests.report.stage import Result, Screen, Sheet, Stage, header

HOSTILE = [
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b]8;;http://x\x1b\\link",
    "\x9b31m\x9d0;x\x9c",
    "a\nb\r\nc\rd",
    "::error::owned",
    "  ::set-output name=x::y",
    "\n::error::owned",
    "::stop-commands::token",
    "##[error]owned",
    "##vso[task.complete]",
    "##teamcity[x]",
    "\u202egnp.exe\u2066",
    "nul \x00 here",
    "[bold red]markup[/] :warning: [link=x]",
    "caf\udce9",
    "%0A::error::owned",
    "a,b:c%d",
    "\x08\x08\x08\x7f",
    "\x85\u2028\u2029",
    "y" * 5000,
]

#: What we write ourselves: colours, up, erase the line, show and hide the cursor.
ALLOWED = re.compile(r"\x1b\[(?:[0-9;]*m|1A|2K|\?25[hl])")


def play(stage: Stage, display: Display, said: str, path: str) -> str:
    """A run in which everything is called like that, says that, and prints that."""
    display.header(header(8, before=(f"in flight: {said}",))._replace(suite=said, journal=said))
    for verdict in ("pass", "fail", "warn", "error"):
        display.result(Result(said, verdict, reason=said, output=path))
        stage.progress = Progress(3, (Running(said, 66.0), Running("other", 1.0)), 2)
        stage.now += 61
        display.say(f"pexen: {said}")
        display.pulse()
    ended = [Ended(said, verdict, said, True, True) for verdict in (Verdict.FAIL, Verdict.NOT_RUN)]
    display.summary(Summary(12, ended, 1.0, given_up=said))
    display.close()
    return stage.out.text + stage.err.text


def check(said: str, path: str) -> None:
    past = Past({said: 11.0, "other": 1.0}, [said, "other"])
    for show_output in ("all", "failed"):
        for environ in ({}, {"GITHUB_ACTIONS": "true"}, {"TERM": "xterm"}):
            is_terminal = "TERM" in environ
            stage = Stage(Sheet(is_terminal=is_terminal), Sheet(is_terminal=is_terminal))
            display = stage.display(environ=environ, past=past, show_output=show_output, colour=is_terminal)
            written = play(stage, display, said, path)
            if is_terminal:
                Screen(80).feed(ALLOWED.sub("", written.replace("\t", "")))
                written = ALLOWED.sub("", written).replace("\r", "")
            assert "\x1b" not in written
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", written)
            assert not re.search(r"##\w*\[", written)
            written.encode()
            if "GITHUB_ACTIONS" not in environ:
                assert not re.search(r"^\s*::", written, re.MULTILINE)
            else:
                lines = [line.lstrip() for line in written.split("\n")]
                commands = [line.split("::")[1].split(" ")[0] for line in lines if line.startswith("::")]
                groups = [command for command in commands if "group" in command]
                assert groups == ["group", "endgroup"] * (len(groups) // 2)
                assert [command for command in commands if "group" not in command] == ["error", "warning", "error"]


@pytest.mark.parametrize("said", HOSTILE, ids=ascii)
def test_hostile_text_steers_nothing(said: str, tmp_path: Path):
    file = tmp_path / "output.log"
    file.write_bytes(b"\n".join([said.encode("utf-8", "surrogateescape")] * 3))

    check(said, str(file))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_steer_nothing(data: bytes, tmp_path: Path):
    file = tmp_path / "output.log"
    file.write_bytes(data)

    check(data.decode("utf-8", "surrogateescape"), str(file))


def test_a_line_of_a_mebibyte_is_cut(tmp_path: Path):
    file = tmp_path / "output.log"
    file.write_bytes(b"z" * (1 << 20) + b"\nend\n")

    for show_output in ("all", "failed"):
        stage = Stage()
        display = stage.display(show_output=show_output)
        display.header(header())
        display.result(Result("a", "fail", output=str(file)))
        display.close()
        assert max(map(len, stage.out.lines)) < 9000
        assert stage.out.lines[-1] == "         | end"
