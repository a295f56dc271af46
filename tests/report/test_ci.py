"""GitHub Actions: a group and an annotation for each failure."""

from __future__ import annotations

from pathlib import Path

from tests.report.stage import Result, Stage, header

GITHUB = {"GITHUB_ACTIONS": "true", "CI": "true"}


def test_a_failure_is_folded_and_annotated(tmp_path: Path):
    file = tmp_path / "output.log"
    file.write_bytes(b"no lease\n::error::not ours\n")
    stage = Stage()
    display = stage.display(environ=GITHUB)
    display.header(header())
    display.result(Result("net/a", output=str(file)))
    display.result(Result("net/b", "fail", reason="exit 1", output=str(file)))
    display.result(Result("net/c", "warn", reason="100% full, twice: yes"))
    display.result(Result("net/d", "crash"))
    display.close()

    assert stage.out.lines[1:] == [
        "  PASS    [  0.50s] 1/3 net/a",
        "  FAIL    [  0.50s] 2/3 net/b  exit 1  pexen logs net/b",
        "::group::net/b",
        "         | no lease",
        "         | \\::error::not ours",
        "::endgroup::",
        "::error title=net/b::exit 1",
        "  WARN    [  0.50s] 3/3 net/c  100% full, twice: yes",
        "::warning title=net/c::100%25 full, twice: yes",
        "  CRASH   [  0.50s] 4/4 net/d",
        "::error title=net/d::crash",
    ]


def test_a_key_is_escaped_as_a_property():
    stage = Stage()
    display = stage.display(environ=GITHUB)
    display.header(header())
    display.result(Result("a,b::c%d\nx", "fail"))

    assert stage.out.lines[-1] == "::error title=a%2Cb%3A%3Ac%25d\\nx::fail"


def test_elsewhere_no_command_is_written(tmp_path: Path):
    stage = Stage()
    display = stage.display(environ={"GITHUB_ACTIONS": "false", "CI": "true"})
    display.header(header())
    display.result(Result("a", "fail"))
    display.close()

    assert "::" not in stage.out.text
