"""What the Tab key offers, as a shell sees it, and what it costs."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state.cli.main import VERBS
from tests.cli.box import Box

HEAVY = ("sqlalchemy", "alembic", "rich", "psutil")


def offered(box: Box, *words: str, shell: str = "zsh", env: dict[str, str] | None = None) -> list[str]:
    """What is offered in the place of the last word, which may be begun."""
    asked = {
        "_PEXEN_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": shlex.join(["pexen", *words[:-1]]) + f" {words[-1]}",
        "COMP_CWORD": str(len(words)),
    }
    done = box.pexen(env={**asked, **(env or {})})
    assert done.err == ""
    return done.out.rstrip("\n").split("\n")[1::3]


@pytest.fixture
def journal(box: Box) -> Box:
    """Two suites; keys that may be offered, and keys that had better not be."""
    box.script("net/dhcp/renew")
    box.script("net/dhcp/release")
    box.script("net/route")
    box.pexen("run", "net")
    hostile = [
        "$(reboot)",
        "two words",
        "-rf",
        "`id`",
        "a;b",
        "tab\there",
        "\u202egnp",
        "back\\slash",
        "star*",
        "~root",
    ]
    box.file("nightly.jobs", "".join(f"{name!s}\n" for name in hostile) + "plain-1: true\nplain-2: true\n")
    box.pexen("run", "nightly.jobs")
    return box


def test_verbs_and_options_are_offered_with_what_they_do(box: Box):
    assert offered(box, "") == list(VERBS)
    assert offered(box, "re") == ["resume", "rerun", "report"]
    assert offered(box, "service", "") == sorted(["install", "print", "remove", "status", "list"])
    assert offered(box, "db", "") == sorted(["upgrade", "check", "backup", "prune", "vacuum", "export"])
    assert "--older-than" in offered(box, "db", "prune", "--o")
    assert "--journal" in offered(box, "--j")
    assert offered(box, "show", "--color", "a") == ["auto", "always"]
    assert offered(box, "completion", "") == ["bash", "zsh", "fish"]


def test_runs_tasks_and_suites_come_from_the_journal(journal: Box):
    suite, listed = (name for (name,) in journal.sql("SELECT name FROM runs ORDER BY id"))

    assert offered(journal, "pause", "") == ["2", "1", "latest", listed, suite]
    assert sorted(offered(journal, "show", "1", "")) == ["net/dhcp/release", "net/dhcp/renew", "net/route"]
    assert offered(journal, "logs", "-r", "1", "rene") == ["renew"]
    assert sorted(offered(journal, "db", "prune", "--suite", "")) == sorted([suite, listed])
    assert offered(journal, "--journal", "nowhere.db", "show", "") == []


def test_a_key_that_a_shell_would_understand_is_never_offered(journal: Box):
    keys = {key for (key,) in journal.sql("SELECT task FROM tasks WHERE run = 2")}
    assert len(keys) == 12

    assert [word for word in offered(journal, "show", "2", "") if word in keys] == ["plain-1", "plain-2"]


def test_files_are_left_to_the_shell(box: Box):
    asked = {"_PEXEN_COMPLETE": "zsh_complete", "COMP_WORDS": "pexen run ne", "COMP_CWORD": "2"}

    assert box.pexen(env=asked).out.split("\n")[:2] == ["file", "ne"]


def test_the_locks_that_were_left_held_are_offered(box: Box):
    box.file("jobs.jsonl", '{"name": "a", "cmd": "kill -9 $PPID; sleep 60", "claims": ["disk", "/dev/sda"]}\n')
    box.file(
        "held.py",
        """
import pexen_state


@pexen_state.task(claims={"disk", "/dev/sda", "two words"})
def breaks():
    raise RuntimeError("left in the middle")


@pexen_state.task(after={"*breaks"})
def waits():
    open("gate").read()
""",
    )
    gate = box.gate()
    with box.started("run", "held.py") as running:
        gate.reached()

        assert sorted(offered(box, "unlock", "")) == ["/dev/sda", "disk"]
        running.process.kill()
        running.process.wait()


def test_whatever_is_wrong_nothing_is_offered_and_nothing_is_said(box: Box):
    box.file(".pexen/journal.db", "this is no database at all, but it is long enough to be looked at")

    for words in (["show", ""], ["rnu", ""], ["run", "--nowhere", ""], ["unlock", "'"]):
        assert offered(box, *words) in ([""], [])
    for asked in ("tcsh_complete", "bash", "", "bash_complete"):
        done = box.pexen("--version", env={"_PEXEN_COMPLETE": asked})
        assert (done.code, done.err) in ((1, ""), (0, ""))


def test_words_and_options_cost_no_import_of_weight(journal: Box):
    for words in (["re"], ["run", "--"], ["show", "l"], ["show", "1", ""], ["db", "prune", "--suite", ""]):
        code = (
            "import os, sys\n"
            "from pexen_state.cli.main import main\n"
            "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
        )
        environment = {
            **journal.environment,
            "_PEXEN_COMPLETE": "bash_complete",
            "COMP_WORDS": f"pexen {' '.join(words)}",
            "COMP_CWORD": str(len(words)),
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=journal.directory,
            env=environment,
        )
        assert done.stdout.strip()
        assert not set(done.stderr.split()) & {*HEAVY, "pexen_state.sched"}, words


def command_in_path(box: Box) -> dict[str, str]:
    """`pexen`, as an installation has it."""
    place = box.script("bin/pexen", f'exec {shlex.quote(sys.executable)} -m pexen_state "$@"').parent
    return {**box.environment, "PATH": f"{place}:{os.environ['PATH']}"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(box: Box, shell: str):
    done = box.pexen("completion", shell)

    assert done.code == 0
    assert f"_PEXEN_COMPLETE={shell}_complete" in done.out
    assert "_pexen_completion" in done.out
    if shutil.which(shell):
        subprocess.run([shell, "-n", box.file("script", done.out)], check=True)


def test_another_shell_is_a_mistake(box: Box):
    done = box.pexen("completion", "tcsh")

    assert done.code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.err


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_completes_words(journal: Box):
    program = """
eval "$(pexen completion bash)"
complete -p pexen
tab() { COMP_WORDS=(pexen "$@") COMP_CWORD=$#; COMPREPLY=(); _pexen_completion pexen; echo "${COMPREPLY[@]}"; }
tab un
tab db b
tab show 2 plain
tab show 2 ''
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        cwd=journal.directory,
        env=command_in_path(journal),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == [
        "complete -o nosort -F _pexen_completion pexen",
        "unlock",
        "backup",
        "plain-1 plain-2",
        "plain-1 plain-2",
    ]
    assert done.stderr == ""


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completes_words(journal: Box):
    program = """
autoload -Uz compinit && compinit -u
eval "$(pexen completion zsh)"
compadd() { print -l -- $completions; }
words=(pexen show 2 plain) CURRENT=4
_pexen_completion
"""
    done = subprocess.run(
        ["zsh", "-f", "-c", program],
        cwd=journal.directory,
        env=command_in_path(journal),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["plain-1", "plain-2"]


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes_words(journal: Box):
    program = 'pexen completion fish | source; complete -C "pexen show 2 plain"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        cwd=journal.directory,
        env=command_in_path(journal),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["plain-1", "plain-2"]


def test_the_words_of_the_help_say_what_is_completed():
    """A verb whose metavar names none of the known words would offer nothing, and nobody would notice."""
    from pexen_state.cli.completing import _teach, _Word
    from pexen_state.cli.main import Verbs, pexen

    group = pexen
    assert isinstance(group, Verbs)
    taught: dict[str, set[str]] = {}
    for name in ("pause", "cancel", "unlock", "show", "logs", "run"):
        command = group.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        _teach(command)
        taught[name] = set().union(*(param.type.takes for param in command.params if isinstance(param.type, _Word)))
    assert "RUN" in taught["pause"]
    assert {"RUN", "TASK"} <= taught["cancel"] & taught["show"] & taught["logs"]
    assert "LOCK" in taught["unlock"]
    assert "TARGET" in taught["run"]


def test_the_scripts_are_made_without_a_subprocess(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from pexen_state.cli.completing import script

    monkeypatch.setenv("PATH", str(tmp_path))

    assert "complete -o nosort" in script("bash")


def test_tasks_of_history_and_a_journal_before_the_verb_are_completed(journal: Box):
    assert sorted(offered(journal, "history", "plain")) == ["plain-1", "plain-2"]
    for words in (["--journal", "ne"], ["show", "--journal", "ne"]):
        asked = {
            "_PEXEN_COMPLETE": "zsh_complete",
            "COMP_WORDS": f"pexen {' '.join(words)}",
            "COMP_CWORD": str(len(words)),
        }
        assert journal.pexen(env=asked).out.split("\n")[:2] == ["file", "ne"]
