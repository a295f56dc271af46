"""A tree of executables with metadata, as people run it and ask about it."""

from __future__ import annotations

import json

from tests.cli.box import Box


def suite(box: Box) -> None:
    box.file("suite/pexen.toml", 'timeout = "10m"\nenv = { WHERE = "root" }\n[tasks."*/db"]\nprovides = ["db"]\n')
    box.file("suite/net/pexen.toml", 'requires = ["db"]\nexit_codes = { 7 = "skip" }\n')
    box.script("suite/setup/db", "echo $WHERE")
    box.script("suite/net/a", '# pexen: timeout="1m" summary="dials"\nexit 7')


def test_what_files_say_is_what_happens(box: Box):
    suite(box)

    done = box.pexen("run", "suite")

    assert done.code == 0, done.err
    ended = box.sql("SELECT task, verdict FROM tasks ORDER BY started_at", box.directory / "suite/.pexen/journal.db")
    assert ended == [("setup/db", "pass"), ("net/a", "skip")]
    assert box.pexen("logs", "setup/db", cwd="suite").out.endswith("root\n")


def test_list_explains_which_file_gave_which_value(box: Box):
    suite(box)

    lines = box.pexen("list", "suite", "--explain", "net/a").lines

    assert lines[0] == "net/a"
    assert [line.split(maxsplit=1)[0] for line in lines[1:]] == [
        "field",
        "env",
        "exit_codes",
        "requires",
        "summary",
        "timeout",
    ]
    assert lines[2].split(maxsplit=2)[1:] == ["WHERE=root", "suite/pexen.toml, line 2"]
    assert lines[4].split(maxsplit=2)[1:] == ["db", "suite/net/pexen.toml, line 1"]
    assert lines[6].split(maxsplit=2) == ["timeout", "60.0", "suite/net/a, line 2"]
    said = json.loads(box.pexen("list", "suite", "--explain", "db", "--json").out)
    assert said["said"]["provides"] == [
        {"value": ["db"], "origin": str(box.directory / "suite/pexen.toml"), "glob": "*/db"}
    ]
    wrong = box.pexen("list", "suite", "--explain", "nte/a")
    assert (wrong.code, "there is no task nte/a. Did you mean 'net/a'?" in wrong.err) == (2, True)


def test_a_mistake_in_a_tree_is_told_with_file_and_line_and_nothing_runs(box: Box):
    suite(box)
    box.file("suite/net/pexen.toml", '\nrequries = ["db"]\n')

    done = box.pexen("run", "suite")

    assert done.code == 2
    assert "suite/net/pexen.toml, line 2: there is no key 'requries'. Did you mean 'requires'?" in done.err
    assert not (box.directory / "suite/.pexen").exists()


def test_env_of_a_python_task_is_its_own_alone(box: Box):
    box.file(
        "suite/box_env/__init__.py",
        "import os\nfrom pexen_state import task\n"
        "def show(who): print(who, os.environ.get('ONLY'), os.environ['HOME'])\n"
        "@task(env={'ONLY': 'a', 'HOME': '/a'})\ndef a(shared): show('a')\n"
        "@task(priority=1)\ndef b(shared): show('b')\n",
    )

    done = box.pexen("run", "suite")

    assert done.code == 0, done.err
    assert box.pexen("logs", "--all").out.count("a a /a") == 1
    assert f"b None {box.environment['HOME']}" in box.pexen("logs", "--all").out
