"""Which tasks of a suite a run has: by an expression, by what became of them, and a dry run that only lists them."""

from __future__ import annotations

from tests.cli.box import Box


def test_an_expression_picks_tasks_and_the_header_says_how_many(box: Box):
    box.file(
        "night.jobs",
        '{"name": "setup/db", "cmd": "true", "provides": ["db"]}\n'
        '{"name": "net/login", "cmd": "true", "requires": ["db"]}\n'
        '{"name": "net/dhcp", "cmd": "true"}\nfs: true\n',
    )

    done = box.pexen("run", "night.jobs", "-k", "net and not dhcp")
    nothing = box.pexen("run", "night.jobs", "-k", "nowhere")
    wrong = box.pexen("run", "night.jobs", "-k", "net or")

    assert done.code == 0
    assert "1 of 4 tasks: -k net and not dhcp, and 1 more that they require." in done.lines
    assert sorted(box.keys()) == ["net/login", "setup/db"]
    assert done.err == ""  # nobody is told that a part of a suite requires less
    assert (nothing.code, nothing.err) == (5, "pexen: nothing is selected: -k nowhere matches none of 4 tasks.\n")
    assert (wrong.code, wrong.err) == (2, "pexen: -k: a word is missing at the end:\n  net or\n        ^\n")


def test_what_failed_or_did_not_run_last_time_is_picked(box: Box):
    box.file(
        "night.jobs",
        '{"name": "setup", "cmd": "false", "provides": ["db"]}\n'
        '{"name": "login", "cmd": "true", "requires": ["db"]}\n{"name": "other", "cmd": "true"}\n',
    )
    too_early = box.pexen("run", "night.jobs", "--lf")
    assert not box.journal.exists()
    box.pexen("run", "night.jobs")

    both = box.pexen("run", "night.jobs", "--lf", "--not-run")
    failed = box.pexen("run", "night.jobs", "--last-failed")
    elsewhere = box.pexen("run", "night.jobs", "--lf", "--name", "another")
    not_run = box.pexen("run", "night.jobs", "--not-run")

    assert too_early.code == 5
    assert "no run of the suite night.jobs is in the journal" in too_early.err
    assert "2 of 3 tasks: failed or not run in run 1." in both.lines
    assert "1 of 3 tasks: failed in run 2." in failed.lines
    assert elsewhere.code == 5
    assert "no run of the suite another is in the journal" in elsewhere.err
    assert (not_run.code, not_run.err) == (5, "pexen: nothing was left undone in run 3.\n")


def test_a_dry_run_lists_the_tasks_in_order_and_writes_nothing(box: Box):
    box.file("pexen.toml", "[run]\njobs = 3\n")
    box.file(
        "night.jobs",
        '{"name": "login", "cmd": "touch ran", "requires": ["db"]}\n'
        '{"name": "setup", "cmd": "touch ran", "provides": ["db"]}\nlast: touch ran\n',
    )

    done = box.pexen("run", "-n", "night.jobs", "-k", "login")
    broken = box.pexen("run", "-n", "-", stdin=b'{"cmd": "true", "requires": ["db"]}\n')
    empty = box.pexen("run", "-n", "-")

    assert (done.code, done.lines) == (0, ["setup  (required)", "login"])
    assert done.err.splitlines() == [
        "dry run  suite night.jobs  2 tasks  3 workers (process pool)  no timeout, no retries  settings pexen.toml",
        "1 of 3 tasks: -k login, and 1 more that they require; 1 left out.",
        "Nothing was run, and nothing was written.",
    ]
    assert broken.code == 2
    assert "pexen: Unsatisfied requires remain: ['db']" in broken.err
    assert "  See standard input, line 1." in broken.err.splitlines()
    assert empty.code == 5
    assert not (box.directory / "ran").exists()
    assert not box.journal.parent.exists()
