"""`pexen events --consumer`: what was printed is not printed again; what a kill cut off is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.box import COMMAND, Box
from tests.cli.hostility import STRINGS, is_harmless
from tests.cli.typed import typed


@pytest.fixture
def ran(box: Box) -> Box:
    box.file("s.jobs", "a: true\nb: exit 3\n")
    assert box.pexen("run", "s.jobs", "-j1").code == 1
    return box


def test_a_consumer_is_given_each_line_once(ran: Box):
    whole = typed(ran.directory, "events").out

    first = typed(ran.directory, "events", "--consumer", "upload")
    assert (first.code, first.out, first.err) == (0, whole, "")
    assert typed(ran.directory, "events", "--consumer", "upload").out == ""
    assert typed(ran.directory, "events", "-f", "--consumer", "another").out == whole


def test_types_are_picked(ran: Box):
    out = typed(ran.directory, "events", "--type", "result", "--type", "session").out
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["session", "result", "result", "session"]
    assert typed(ran.directory, "events", "--consumer", "c", "--type", "result").out.count("\n") == 2

    done = typed(ran.directory, "events", "--consumer", "c")
    assert done.code == 3
    assert "the consumer 'c' of run 1 takes result, not everything" in done.err
    assert typed(ran.directory, "events", "--type", "results").code == 2


def test_a_consumer_follows_over_the_death_of_the_runner(box: Box):
    first, second = box.gate("first"), box.gate("second")
    box.file("s.jobs", f"a: true\nb: {first.wait}\nc: {second.wait}\n")
    with box.started("events", "-f", "--consumer", "early") as early:
        assert early.ended().code == 3  # there is no journal yet
    with box.started("run", "s.jobs", "-j1") as run:
        first.reached()
        with box.started("events", "-f", "--consumer", "upload") as following:
            following.until('"task": "a"')
            run.signal(signal.SIGKILL)
            run.process.wait()
            first.let_go()
            with box.started("resume") as again:
                first.reached()
                following.until('"how_ended": "killed"')
                first.let_go()
                second.reached()
                second.let_go()
                assert again.ended().code == 0
            ended = following.ended()
    assert ended.code == 0
    assert json.loads(ended.out.splitlines()[-1])["how_ended"] == "finished"
    results = [one["task"] for one in map(json.loads, ended.out.splitlines()) if one["type"] == "result"]
    assert results == ["b", "c"]


def test_what_nobody_read_is_printed_again(ran: Box):
    whole = typed(ran.directory, "events").out
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "events", "--consumer", "upload"],
        cwd=ran.directory,
        env=ran.environment,
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (0, b"")
    assert typed(ran.directory, "events", "--consumer", "upload").out == whole


def test_a_consumer_that_is_killed_while_its_reader_sleeps_is_given_that_again(ran: Box):
    box = ran
    box.file("many.jobs", "".join(f"j{number}: true\n" for number in range(400)))
    assert box.pexen("run", "many.jobs").code == 0
    whole = set(typed(box.directory, "events").out.splitlines())
    with box.started("events", "--consumer", "upload") as following:
        assert following.process.stdout is not None
        seen = [following.process.stdout.readline().decode() for _ in range(3)]  # the pipe is full by now, or will be
        following.signal(signal.SIGKILL)
        following.process.wait()

    rest = typed(box.directory, "events", "--consumer", "upload").out.splitlines()

    # What was in the pipe was written; what was not, is printed now.
    assert len(whole) > 1000
    assert set(rest) <= whole
    assert len(rest) > len(whole) / 2
    assert set(rest).isdisjoint(line.strip() for line in seen[:1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--consumer", "c", "--after", "3"], "--after and --consumer do not go together"),
        (["--consumer", ""], "a consumer's name has 1 to 200 characters, not 0"),
        (["--consumer", "x" * 10_000], "a consumer's name has 1 to 200 characters, not 10000"),
    ],
)
def test_what_will_not_do_is_told(ran: Box, words: list[str], said: str):
    done = typed(ran.directory, "events", *words)

    assert done.code == 2
    assert said in done.err


def test_names_that_mean_harm_are_only_names(ran: Box):
    for text in STRINGS[::8]:
        name = os.fsdecode(text)
        if "\0" in name or len(name) > 200:
            continue
        first = typed(ran.directory, "events", "--consumer", name)
        assert first.code == 0, first.err
        assert first.out.count("\n") > 5
        again = typed(ran.directory, "events", "--type", "event", "--consumer", name)
        assert again.code == 3
        assert is_harmless(again.err)


def test_a_damaged_file_of_cursors_is_told_and_keeps_nobody_else(ran: Box):
    typed(ran.directory, "events", "--consumer", "upload")
    Path(f"{ran.journal}.consumers").write_bytes(b"damaged" * 1000)

    done = typed(ran.directory, "events", "--consumer", "upload")
    assert done.code == 3
    assert "is damaged" in done.err
    assert "Delete it" in done.err
    assert typed(ran.directory, "events").code == 0
    assert typed(ran.directory, "status").code == 0
    pruned = typed(ran.directory, "db", "prune", "--keep", "0")
    assert pruned.code == 0
    assert pruned.out.startswith("1 run deleted")
    assert "is damaged" in pruned.err


def test_prune_says_who_has_not_seen_all_and_forgets_them(ran: Box):
    typed(ran.directory, "events", "1", "--consumer", "whole")
    typed(ran.directory, "events", "1", "--consumer", "results", "--type", "result")
    with ran.started("events", "-f", "--consumer", "none", "--type", "session") as begun:
        begun.ended()
    box = ran
    box.file("s.jobs", "a: true\n")
    assert box.pexen("run", "s.jobs", "-j1").code == 0
    reading, writing = os.pipe()
    os.close(reading)
    subprocess.run(
        [*COMMAND, "events", "1", "--consumer", "late\x1b[31m"],
        cwd=box.directory,
        env=box.environment,
        stdout=writing,
        check=True,
    )
    os.close(writing)

    would = typed(box.directory, "db", "prune", "--keep", "1", "-n")
    assert would.out.endswith("the consumer late\\x1b[31m has not seen all of run 1\n")
    done = typed(box.directory, "db", "prune", "--keep", "1")
    assert done.err == "pexen: the consumer late\\x1b[31m had not seen all of run 1\n"
    again = typed(box.directory, "events", "1", "--consumer", "late\x1b[31m")
    assert (again.code, again.out) == (2, "")
    assert typed(box.directory, "events", "--consumer", "whole").out == typed(box.directory, "events").out
    assert typed(box.directory, "db", "prune", "--keep", "0").code == 0
