"""What a secret must not get into, and where the command line writes no journal."""

from __future__ import annotations

import os

import pytest

from tests.cli.box import Box

SECRET = "hunter2-and-no-other"


def test_a_value_of_the_environment_file_is_in_nothing_that_is_written(box: Box):
    secrets = box.file("secrets", f"TOKEN={SECRET}\n")
    box.script("t/used", f'test "$TOKEN" = "{SECRET[:4]}""{SECRET[4:]}"')  # in two parts: this file may be quoted
    box.script("t/failed", "echo no; exit 1")
    box.script("t/hung", "exec sleep 600")  # what it was doing is written down before it is killed
    box.file("t/pexen.toml", '[tasks.hung]\ntimeout = "1s"\n')
    reports = ("--junit", "r.xml", "--tap", "r.tap", "--jsonl", "r.jsonl", "--md", "r.md")

    done = box.pexen("run", "t", "--env-file", "secrets", *reports)

    assert done.code == 1
    verdicts = dict(box.sql("SELECT task, verdict FROM tasks", box.directory / "t/.pexen/journal.db"))
    assert verdicts == {"failed": "fail", "hung": "timeout", "used": "pass"}
    assert SECRET not in done.out + done.err
    written = [path for path in box.directory.rglob("*") if path.is_file() and path != secrets]
    assert {"journal.db", "r.xml", "r.tap", "r.jsonl", "r.md"} <= {path.name for path in written}
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []


def test_a_run_is_refused_where_everybody_may_replace_the_journal(box: Box):
    box.script("t/one")
    (box.directory / "open").mkdir()
    (box.directory / "open").chmod(0o777)

    refused = box.pexen("run", "t", "--journal", "open/journal.db")

    assert refused.code == 3
    assert "lies in a directory in which everybody may replace it" in refused.err
    assert list((box.directory / "open").iterdir()) == []


def test_a_run_is_warned_where_everybody_may_add_files(box: Box):
    box.script("t/one")
    (box.directory / "open").mkdir()
    (box.directory / "open").chmod(0o1777)

    done = box.pexen("run", "t", "--journal", "open/journal.db")

    assert done.code == 0
    assert done.err.count("lies in a directory to which everybody may add files") == 1


def test_a_link_to_a_journal_is_looked_at_but_nothing_is_run_with_it(box: Box):
    box.script("t/one")
    box.pexen("run", "t")
    (box.directory / "link.db").symlink_to(".pexen/journal.db")

    refused = box.pexen("run", "t", "--journal", "link.db")

    assert refused.code == 3
    assert "is a symbolic link" in refused.err
    assert box.pexen("runs", "--journal", "link.db").code == 0


@pytest.mark.parametrize("replaced", ["$task", "$task/$PEXEN_ATTEMPT", "$PEXEN_DATA", "$task/.."])
def test_a_link_in_the_place_of_a_directory_of_pexen_leads_nobody_astray(box: Box, replaced: str):
    outside = box.directory / "outside"
    outside.mkdir()
    (box.directory / "j").mkdir()
    body = f"""
task=$(dirname "$(dirname "$PEXEN_ARTIFACTS")")
rm -rf "{replaced}.old"; mv "{replaced}" "{replaced}.old" 2>/dev/null || mv "$(realpath "{replaced}")" "$HOME/old"
ln -s '{outside}' "$(realpath -ms "{replaced}")"
exit 1
"""
    box.script("t/swaps", body)
    box.file("t/pexen.toml", "retries = 1\n")

    done = box.pexen("run", "t", "--journal", "j/journal.db")

    assert done.code == 1
    assert list(outside.iterdir()) == []
    if replaced != "$task/$PEXEN_ATTEMPT":  # the next attempt has another one
        assert "its files cannot be made: something else stands where pexen keeps its files" in done.out
    assert box.pexen("db", "prune", "--keep", "0", "--journal", "j/journal.db").code == 0
    assert outside.is_dir()


HONEST = """
from dataclasses import dataclass
import pexen_state

@dataclass
class Measured:
    seconds: float

@pexen_state.task
def measures():
    pexen_state.result("part", "pass", metrics={"mb_s": 3})
    return Measured(1.5)
"""

#: What a journal's text may say is to be imported, or unpickled, is not: whoever looks runs no code of others.
LOOKS = (
    "runs",
    "status",
    "show",
    "show measures",
    "why measures",
    "locks",
    "logs",
    "events",
    "sql failed",
    "report --junit j.xml --tap j.tap --jsonl j.jsonl --md j.md --html j.html --trace j.json",
    "diff 1 1",
    "history measures",
    "flaky",
    "slowest",
    "db check",
    "db backup copy.db",
)


def test_whoever_looks_imports_nothing_of_a_suite_and_unpickles_nothing(box: Box):
    box.file("module.py", HONEST)
    assert box.pexen("run", "module.py").code == 0
    box.file("module.py", "open('ran', 'w')\n")
    hook = "if event == 'pickle.find_class': open('unpickled', 'w')"
    box.file("hook/sitecustomize.py", f"import sys\n\ndef hook(event, args):\n    {hook}\n\nsys.addaudithook(hook)\n")
    path = {"PYTHONPATH": os.pathsep.join([str(box.directory / "hook"), str(box.directory), os.getcwd()])}

    for words in LOOKS:
        assert box.pexen(*words.split(), env=path).code == 0, words

    assert not (box.directory / "ran").exists()
    assert not (box.directory / "unpickled").exists()
