"""The README and the first pages of the documentation do what they say: their examples are run, all of them.

`scripts/write_docs` puts the outputs of today into the pages; then read what has changed.
"""

from __future__ import annotations

import pytest

from tests.examples import PAGES, ROOT, run_all, timeless


@pytest.fixture
def demo(tmp_path):
    directory = tmp_path / "demo"
    directory.mkdir()
    return directory


@pytest.mark.parametrize("page", PAGES)
def test_every_example_does_what_stands_there(page, demo):
    told = False
    for example in run_all((ROOT / page).read_text(), demo):
        told = True
        assert timeless(example.printed) == timeless(example.wanted), f"$ {example.command}{example.printed}"
    assert told


def test_what_differs_between_two_boxes_does_not_count():
    here = "pexen 0.1.0  run 1\n  PASS    [  0.21s] a\n session  2026-11-22 15:23:14  pid 20678  in 3.1s\n"
    there = "pexen 2.0  run 1\n  PASS    [ 12.00s] a\n session  2027-01-02 05:03:14  pid 8  in 310ms\n"

    assert timeless(here) == timeless(there)
    assert timeless(here) != timeless(here.replace("PASS", "FAIL"))


def test_the_two_commands_that_the_readme_begins_with_are_there():
    readme = (ROOT / "README.md").read_text()

    for command in ("scripts/demo", "scripts/check"):
        assert command in readme
        assert (ROOT / command).stat().st_mode & 0o111


def test_each_row_of_the_promises_has_a_test():
    readme = (ROOT / "README.md").read_text()
    table = readme.partition("| After | Promise |\n|---|---|\n")[2].partition("\n\n")[0]

    assert [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()] == list(PROMISES)
    for tests in PROMISES.values():
        for file, _, name in (test.partition("::") for test in tests):
            assert f"\ndef {name}(" in (ROOT / "tests" / file).read_text(), f"{file} has no {name}"


#: What is promised after ..., and where it is tried.
PROMISES = {
    "SIGKILL of the runner, at any instant": [
        "crash/test_every_commit.py::test_a_run_that_was_killed_at_any_commit_ends_as_if_nobody_had_killed_it",
        "crash/test_every_syscall.py::test_a_runner_that_was_killed_at_some_calls_is_resumed_to_the_same_end",
    ],
    "power loss, kernel panic": [
        "crash/test_power_loss.py::test_nothing_that_was_told_is_lost_and_the_run_goes_on_to_its_end",
        "crash/test_the_checker_bites.py::test_flushes_are_looked_at_and_find_that_commits_do_not_wait_for_the_disk",
    ],
    "tasks in flight": ["cli/test_resume.py::test_a_killed_run_goes_on_and_keeps_what_was_finished"],
    "a resumed run": [
        "crash/test_any_suite.py::test_the_end_of_any_suite_is_one_that_some_uninterrupted_schedule_gives"
    ],
    "`replayed` results": [
        "sched/test_going_on.py::test_what_a_task_provided_counts_when_it_is_no_longer_among_the_tasks"
    ],
    "a consumer of events": [
        "crash/test_consumers.py::test_of_a_run_whose_runner_and_followers_are_killed_nothing_is_skipped",
        "crash/test_consumers.py::test_a_worker_that_is_cut_off_at_any_call_loses_nothing",
    ],
    "locks": ["cli/test_steering.py::test_a_lock_of_a_run_that_was_cut_off_is_freed_for_its_resume"],
    "the journal cannot be written (full disk, I/O error)": [
        "crash/test_every_syscall.py::test_a_call_that_fails_ends_the_session_with_a_sentence_and_loses_nothing",
        "journal/test_full_disk.py::test_a_write_that_the_disk_cuts_off_is_an_error_and_the_end_is_still_written",
    ],
    "a second runner": [
        "crash/test_resumers.py::test_of_twelve_resumers_exactly_one_works_and_the_others_say_whose_turn_it_is"
    ],
    "a crash of the box": [
        "boots/test_boots.py::test_who_panics_every_time_is_blamed_and_those_beside_it_pass",
        "boots/test_boots.py::test_everything_killed_at_once_tries_what_was_in_flight_one_at_a_time",
    ],
    "session after session dies, and no task ends": [
        "core/test_nothing_for_ever.py::test_without_budgets_and_whoever_kills_its_runner_it_ends_or_is_parked",
        "crash/test_box.py::test_a_run_that_gets_nowhere_is_parked_and_the_next_resume_goes_on",
    ],
}
