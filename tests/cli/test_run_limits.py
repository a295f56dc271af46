"""How a run goes, and for how long: settings, limits, the shell and the environment of its tasks."""

from __future__ import annotations

from tests.cli.box import Box


def test_the_settings_of_a_suite_hold_unless_something_else_is_typed(box: Box):
    box.file("proj/pexen.toml", '[run]\nname = "nightly"\njobs = 3\ntimeout = "5m"\nretries = 1\njournal = "j.db"\n')
    box.script("proj/net/up", 'test "$PEXEN_ATTEMPT" = 2')

    done = box.pexen("run", "proj/net", "-j2")
    looked = box.pexen("runs", cwd="proj/net")

    assert done.code == 0
    assert "suite nightly  1 task  2 workers (process pool)  timeout 5m, 1 retry  journal proj/j.db" in done.lines[0]
    assert done.lines[1] == "settings: proj/pexen.toml"
    assert "nightly" in looked.out
    assert box.keys(box.directory / "proj/j.db") == ["net/up"]


def test_settings_deeper_in_a_tree_are_refused(box: Box):
    box.file("proj/pexen.toml", "")
    box.file("proj/net/pexen.toml", "[run]\njobs = 3\n")
    box.script("proj/net/dhcp/renew")

    done = box.pexen("run", "proj")

    assert done.code == 2
    assert "proj/net/pexen.toml, line 1: settings hold for the whole suite, and belong into the file of its" in done.err
    assert done.err.endswith("root: proj/pexen.toml\n")
    assert not (box.directory / "proj/.pexen").exists()


def test_a_run_is_given_up_when_too_many_have_failed(box: Box):
    box.file(
        "s.jobs",
        "".join(f"t{number}: false\n" for number in range(300)) + '{"name": "end", "cmd": "true", "always": true}\n',
    )

    first = box.pexen("run", "s.jobs", "-j1", "-x")
    third = box.pexen("run", "s.jobs", "-j1", "--max-fail", "3")
    both = box.pexen("run", "s.jobs", "-x", "--max-fail", "3")

    assert (first.code, third.code) == (1, 1)
    assert "no timeout, no retries, given up after 1 failure" in first.lines[0]
    assert "The run was given up after 1 task had failed." in first.lines
    assert "The run was given up after 3 tasks had failed." in third.lines
    # Exactly so many, and nothing began after them.
    assert box.sql("SELECT task FROM tasks WHERE run = 1 AND verdict = 'fail'") == [("t0",)]
    assert box.sql("SELECT task FROM tasks WHERE run = 2 AND verdict = 'fail'") == [("t0",), ("t1",), ("t2",)]
    begun = box.sql("SELECT run, task FROM attempts ORDER BY run, task")
    assert begun == [(1, "end"), (1, "t0"), (2, "end"), (2, "t0"), (2, "t1"), (2, "t2")]
    assert box.sql("SELECT verdict FROM tasks WHERE task = 'end'") == [("pass",), ("pass",)]
    assert (both.code, both.err) == (2, "pexen: -x is --max-fail 1: say one of them\n")


def test_a_warning_is_a_failure_only_if_one_is_strict(box: Box):
    box.script("suite/warns", "exit 4")
    box.script("suite/fails", "exit 2")

    warned = box.pexen("run", "suite/warns", "--exit-codes", "ltp", "--journal", "j.db")
    strict = box.pexen("run", "suite/warns", "--exit-codes", "ltp", "--strict", "--journal", "j.db")
    kselftest = box.pexen("run", "suite", "--exit-codes", "kselftest", "--journal", "j.db")

    assert (warned.code, strict.code, kselftest.code) == (0, 1, 0)
    assert box.sql("SELECT task, verdict FROM tasks WHERE run = 3 ORDER BY task", box.directory / "j.db") == [
        ("suite/fails", "pass"),
        ("suite/warns", "skip"),
    ]


def test_a_list_has_the_shell_that_it_wants(box: Box):
    box.file("s.jobs", 'one: test -n "$BASH_VERSION" && [[ a == a ]]\n')

    assert box.pexen("run", "s.jobs", "--shell", "bash").code == 0
    none = box.pexen("run", "s.jobs", "--shell", "./none")
    assert none.code == 2
    assert "--shell: there is no program './none'. Name one that takes -c and a command, such as /bin/bash." in none.err


def test_tasks_find_what_was_said_in_their_environment_and_secrets_are_kept_nowhere(box: Box):
    box.file("proj/pexen.toml", '[run]\nenv = { A = "said", B = "said" }\nenv_file = "secrets"\n')
    box.file("proj/secrets", "TOKEN='hunter2'\nA=file\n")
    box.script("proj/look", 'echo "$A $B $C $TOKEN" | sha256sum > ../seen; test "$A $B $C" = "said typed kept"')

    done = box.pexen("run", "proj", "-e", "B=typed", "-e", "C", env={"C": "kept"})
    wrong = box.pexen("run", "proj", "-e", "PEXEN_RUN=3")

    assert done.code == 0, done.out
    expected = box.pexen(
        "run", "-", "--journal", "other.db", stdin=b"echo 'said typed kept hunter2' | sha256sum | cmp - seen"
    )
    assert expected.code == 0
    assert wrong.code == 2
    assert "-e PEXEN_RUN=3: PEXEN_RUN is set by pexen itself: names that begin with PEXEN_ are its own" in wrong.err
    kept = [path.read_bytes() for path in (box.directory / "proj/.pexen").rglob("*") if path.is_file()]
    assert not any(b"hunter2" in content for content in kept)
    assert any(b"typed" in content for content in kept)
