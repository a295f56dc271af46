"""Lines that a shell would only pass on are run without one, and end as they would with it."""

from __future__ import annotations

import os

import pytest

from pexen_state.sched.executable import Executable
from pexen_state.sched.pool.shell import plain_words
from tests.sched.executables import end_of
from tests.sched.pools import Cause, Verdict, said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/bin/true", ["/bin/true"]),
        ("./run.sh --size=3 \t a,b:c@d 50%", ["./run.sh", "--size=3", "a,b:c@d", "50%"]),
        ("net/dhcp", ["net/dhcp"]),
    ],
)
def test_a_program_and_its_words_are_plain(line, words):
    assert plain_words(line) == words


@pytest.mark.parametrize(
    "line",
    [
        "true",  # maybe the shell's own
        "exit",
        "SIZE=/3 ./run.sh",
        "~/run.sh",
        "./run.sh ~/x",
        "./run.sh $SIZE",
        "./run.sh 'a b'",
        "./run.sh a\\ b",
        "./run.sh *",
        "./run.sh [ab]",
        "./run.sh {a,b}",
        "./run.sh a?",
        "./run.sh #3",
        "./run.sh !3",
        "./run.sh ^3",
        "./run.sh >log",
        "./run.sh;./run.sh",
        "./run.sh &",
        "./run.sh\n./run.sh",
        "(./run.sh)",
        "`./which`",
        "./ä",
        "",
    ],
)
def test_what_may_mean_something_to_a_shell_is_not_plain(line):
    assert plain_words(line) is None


def _by_line(line, tmp_path):
    """(how it ended, its status, what it printed): the same with and without a shell that was asked for."""
    ends = []
    for number, shell in enumerate((None, "/bin/sh")):
        log = tmp_path / f"log{number}"
        report = end_of(Executable(line, shell=True, executable=shell, cwd=str(tmp_path)), output=str(log))
        ends.append((said(report), report.outcome.exit_code, log.read_text()))
    assert ends[0] == ends[1]
    return ends[0]


def test_a_plain_line_starts_no_shell(tmp_path):
    log = tmp_path / "log"

    end_of(Executable("/bin/cat /proc/self/stat", shell=True), output=str(log))

    stat = log.read_text().split()
    assert stat[0] == stat[5]  # the leader of its session: nobody was in between


@pytest.mark.parametrize("pwd", [None, "/", ".", "where it is"])
def test_it_finds_the_environment_that_a_shell_would_give_it(tmp_path, monkeypatch, pwd):
    if pwd is None:
        monkeypatch.delenv("PWD", raising=False)
    else:
        monkeypatch.setenv("PWD", str(tmp_path) if pwd == "where it is" else pwd)

    _, _, printed = _by_line("/usr/bin/printenv PWD", tmp_path)

    assert os.path.samefile(printed.strip(), tmp_path)


def test_a_program_that_is_not_there_is_told_by_the_shell(tmp_path):
    _, code, printed = _by_line("./nothing here", tmp_path)

    assert code == 127
    assert "not found" in printed or "No such file" in printed


def test_a_program_that_must_not_be_run_is_told_by_the_shell(tmp_path):
    (tmp_path / "text").touch(mode=0o600)

    assert _by_line("./text", tmp_path)[1] == 126


def test_a_script_without_a_first_line_is_run_by_the_shell(tmp_path):
    script = tmp_path / "script"
    script.write_text("exit 7\n")
    script.chmod(0o755)

    assert _by_line("./script", tmp_path)[1] == 7


def test_its_status_is_the_status(tmp_path):
    assert _by_line("/bin/false", tmp_path)[1] == 1


def test_its_death_of_a_signal_is_told_as_any_executable_s(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nkill -SEGV $$\n")
    script.chmod(0o755)

    report = end_of(Executable(str(script), shell=True))

    # Some shells make "exit 139" of it, and it looks like a failure in good order.
    assert said(report) == (Cause.SIGNALLED, Verdict.ERROR, "killed by SIGSEGV")
