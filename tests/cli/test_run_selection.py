"""Which tasks of a suite a run has: by an expression, by what became of them, and a dry run that only lists them."""

from __future__ import annotations

import signal

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


def test_a_run_of_a_part_leaves_an_unfinished_night_as_it_is(box: Box):
    gate = box.gate()
    box.file("s.jobs", "bad: false\ngood: true\nslow: test ! -e gate || cat gate\nlast: true\n")
    with box.started("run", "s.jobs", "-j1") as run:
        gate.reached()
        run.until("good")
        run.signal(signal.SIGKILL)
        run.process.wait()
    gate.path.unlink()
    stays = "run 1 of this suite is unfinished, and stays so: `pexen resume 1` goes on with it."

    of_one = box.pexen("run", "s.jobs", "-k", "good")
    failed = box.pexen("run", "s.jobs", "--lf")
    undone = box.pexen("run", "s.jobs", "-k", "last")
    resumed = box.pexen("resume")

    assert stays in of_one.lines
    assert stays in failed.lines
    assert "1 of 4 tasks: failed in run 1." in failed.lines
    assert stays in undone.lines
    assert "superseded" not in of_one.out + failed.out + undone.out
    assert resumed.code == 1
    assert any("2 finished results kept" in line for line in resumed.lines)
    assert box.sql("SELECT id, state FROM runs ORDER BY id") == [(number, "finished") for number in (1, 2, 3, 4)]


def test_a_run_of_all_supersedes_every_unfinished_one(box: Box):
    box.file("s.jobs", "one: test ! -e first || cat first\ntwo: test ! -e second || cat second\n")
    for name, words in (("first", []), ("second", ["-k", "two"])):
        gate = box.gate(name)
        with box.started("run", "s.jobs", "-j1", *words) as run:
            gate.reached()
            run.signal(signal.SIGKILL)
            run.process.wait()
        gate.path.unlink()

    aside = box.pexen("run", "s.jobs", "-k", "one")
    again = box.pexen("run", "s.jobs")

    stay = "runs 1 and 2 of this suite are unfinished, and stay so: `pexen resume RUN` goes on with one."
    assert stay in aside.lines
    assert "runs 1 and 2 of this suite were unfinished; they are superseded, and will not be resumed." in again.lines
    states = [state for (state,) in box.sql("SELECT state FROM runs ORDER BY id")]
    assert states == ["superseded", "superseded", "finished", "finished"]


def test_what_failed_last_is_looked_for_in_more_than_the_newest_run(box: Box):
    box.file("s.jobs", "a: test -e fixed\nb: false\nc: false\nd: true\n")
    box.pexen("run", "s.jobs")
    box.file("fixed", "")
    assert box.pexen("run", "s.jobs", "-k", "a").code == 0
    assert box.pexen("run", "s.jobs", "-k", "c").code == 1

    failed = box.pexen("run", "s.jobs", "--lf")
    both = box.pexen("run", "s.jobs", "--lf", "--not-run")
    box.file("s.jobs", "a: true\nb: true\nc: true\nd: true\n")
    box.pexen("run", "s.jobs", "-k", "b or c")
    nothing = box.pexen("run", "s.jobs", "--lf")

    assert "2 of 4 tasks: failed in runs 1 and 3." in failed.lines
    assert "2 of 4 tasks: failed or not run in run 4." in both.lines
    assert (nothing.code, nothing.err) == (5, "pexen: no task failed when it last ran, in 6 runs from 1 to 6.\n")


def test_what_did_not_run_keeps_its_verdict_of_before(box: Box):
    box.file(
        "s.jobs",
        '{"name": "setup", "cmd": "test ! -e broken", "provides": ["db"]}\n'
        '{"name": "login", "cmd": "false", "requires": ["db"]}\n',
    )
    box.pexen("run", "s.jobs")
    box.file("broken", "")
    box.pexen("run", "s.jobs")

    assert "2 of 2 tasks: failed in runs 1 and 2." in box.pexen("run", "s.jobs", "--lf").lines


def test_what_failed_long_ago_and_is_gone_is_no_news(box: Box):
    box.file("s.jobs", "old: false\nnew: false\n")
    box.pexen("run", "s.jobs")
    box.file("s.jobs", "new: false\nother: true\n")
    box.pexen("run", "s.jobs")

    done = box.pexen("run", "s.jobs", "--lf")

    assert "1 of 2 tasks: failed in run 2." in done.lines
    assert done.err == ""
