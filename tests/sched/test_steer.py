"""Steering where nobody runs the run: it is done to the journal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from pexen_state.journal.errors import JournalMissing
from pexen_state.journal.queries import NotFound
from pexen_state.sched import Sched
from pexen_state.sched.steer import Cancel, Pause, Steered, Unlock, steer
from tests.journal.telling import change, sql
from tests.sched.steered import breaks, first, how_ended, killed, run_states, second, states, stopped, third


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.db"


def test_a_run_that_nobody_runs_is_cancelled_in_its_journal(path):
    stopped(path)

    assert steer(path, Cancel()) == Steered(1, False, is_over=True)

    assert states(path) == [
        ("first", "succeeded", "pass"),
        ("second", "cancelled", "not_run"),
        ("third", "cancelled", "not_run"),
    ]
    assert run_states(path) == ["cancelled"]
    assert how_ended(path) == ["stopped", "finished"]
    assert check(path) == []


def test_what_ran_when_its_runner_was_killed_is_cancelled_with_what_it_was(path):
    killed(path)

    assert steer(path, Cancel(), 1).is_over

    assert states(path) == [("hangs", "cancelled", "error"), ("last", "cancelled", "not_run")]
    assert how_ended(path) == ["killed", "finished"]
    assert sql(path, "SELECT state, cause FROM attempts") == [("lost", "runner_died")]
    assert check(path) == []


def test_one_task_is_cancelled_and_the_others_are_gone_on_with(path):
    stopped(path)

    assert steer(path, Cancel("second"), 1) == Steered(1, False)

    assert how_ended(path) == ["stopped", "steered"]
    results = Sched([first, second, third], journal=path).run()
    assert [(result.key, result.state) for result in results] == [("first", "succeeded"), ("third", "succeeded")]
    assert run_states(path) == ["finished"]
    assert check(path) == []


def test_a_paused_run_is_marked_so_and_a_second_pause_says_that_it_is(path):
    killed(path)

    assert steer(path, Pause()) == Steered(1, False)
    assert steer(path, Pause()) == Steered(1, False, was_so=True)

    assert how_ended(path) == ["killed", "paused"]
    assert run_states(path) == ["unfinished"]


def test_a_run_that_was_cut_off_stays_one_that_was_when_one_of_its_locks_is_freed(path):
    stopped(path, breaks, second)

    steer(path, Pause())
    assert not steer(path, Unlock('["disk", 1]')).is_over
    assert steer(path, Unlock("/proc//sys/")) == Steered(1, False)

    assert how_ended(path) == ["stopped", "paused", "steered", "steered"]
    assert steer(path, Pause()).was_so
    with pytest.raises(NotFound, match=r"run 1: the lock /proc/sys is not held\."):
        steer(path, Unlock("/proc/sys"))
    assert check(path) == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (Cancel("fourth"), "run 1: no task of this run is called 'fourth'."),
        (Cancel("breaks"), "run 1: breaks has ended already: failed."),
        (
            Unlock("memory"),
            'run 1: the lock memory is not held; held by tasks that have ended are: /proc/sys, ["disk", 1].',
        ),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(path, asked, sentence):
    stopped(path, breaks, second)

    with pytest.raises(NotFound) as error:
        steer(path, asked, 1)

    assert str(error.value) == sentence
    assert how_ended(path) == ["stopped"]


def test_a_run_that_is_over_is_not_steered_any_more(path):
    list(Sched([first], journal=path).run())
    with pytest.raises(NotFound, match=r"run 1 is over \(finished\): there is nothing to cancel\."):
        steer(path, Cancel(), 1)
    with pytest.raises(NotFound, match=r"there is nothing to pause: every run of .*j\.db is over\."):
        steer(path, Pause())
    with pytest.raises(NotFound, match=r"nothing to unlock\. A new run begins with all locks free\."):
        steer(path, Unlock("disk"), 1)
    with pytest.raises(NotFound, match=r"the journal has no run 7\."):
        steer(path, Cancel(), 7)
    assert how_ended(path) == ["finished"]


def test_without_a_journal_there_is_nothing_to_steer_and_none_is_made(path):
    with pytest.raises(JournalMissing, match="there is no journal"):
        steer(path, Pause())

    assert list(path.parent.iterdir()) == []


def test_a_run_whose_last_results_were_not_given_is_not_ended_by_a_pause(path):
    list(Sched([first], journal=path).run())
    # As its caller left when all was decided, and before the last result.
    change(path, "UPDATE run SET state = 0, verdict = 0, ended_us = NULL")
    change(path, "UPDATE session SET how_ended = 2")

    assert steer(path, Pause()) == Steered(1, False)

    assert run_states(path) == ["unfinished"]
    assert [result.replayed for result in Sched([first], journal=path).run()] == [True]


def test_who_cancels_a_run_whose_tasks_had_all_ended_ends_it_as_what_it_was(path):
    list(Sched([first], journal=path).run())
    change(path, "UPDATE run SET state = 0, verdict = 0, ended_us = NULL")
    change(path, "UPDATE session SET how_ended = 2")

    assert steer(path, Cancel()) == Steered(1, False, is_over=True)

    assert sql(path, "SELECT state, verdict FROM runs") == [("finished", "pass")]


KILLED_WHILE_IT_STEERS = """
import os, signal, sys
from pexen_state.journal.tables import Tables
from pexen_state.journal.writer import Journal
from pexen_state.sched.steer import *

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(Tables if sys.argv[2] == "write" else Journal, sys.argv[2], die)
steer(sys.argv[1], Unlock("/proc/sys"))
"""


@pytest.mark.parametrize("before", ["write", "close"])
def test_a_paused_run_stays_paused_when_who_steers_it_is_killed(path, before):
    stopped(path, breaks, second)
    steer(path, Pause())

    subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_STEERS, path, before], check=False)

    assert how_ended(path) == ["stopped", "paused", *(["steered"] if before == "close" else [])]
    assert steer(path, Pause()).was_so
    assert check(path) == []
