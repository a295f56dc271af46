"""What a secret must not get into, and where the command line writes no journal."""

from __future__ import annotations

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
