"""What stands at the end of a run."""

from __future__ import annotations

from pexen_state.core.states import Verdict
from pexen_state.report.display import Ended, Summary
from pexen_state.report.display.summary import summary_lines
from pexen_state.report.style import PLAIN

DIRTY = "lock '/proc/sys/net' is still held by net/sysctl/forward (timeout)"


def task(
    key: str, verdict: Verdict = Verdict.PASS, reason: str | None = None, flaky: bool = False, final: bool = True
) -> Ended:
    return Ended(key, verdict, reason, flaky, final)


def said(*ended: Ended, given_up: str | None = None, command: str = "pexen") -> list[str]:
    return list(summary_lines(Summary(12, ended, 72.0, given_up), command, PLAIN))


def test_all_passed():
    assert said(task("a"), task("b")) == ["run 12: 2 tasks: 2 pass; in 1m12s", "See all of it: pexen show 12"]


def test_failures_and_flaky_ones_are_named_with_their_reasons():
    lines = said(
        task("a"),
        task("b", Verdict.FAIL, "exit 1"),
        task("c", Verdict.PASS, flaky=True),
        task("d", Verdict.TIMEOUT, "over its time limit of 1s"),
        task("e", Verdict.WARN, "noisy"),
        command="pexen --journal /tmp/j.db",
    )

    assert lines == [
        "run 12: 5 tasks: 2 pass (1 flaky), 1 warn, 1 fail, 1 timeout; in 1m12s",
        "  WARN    e  noisy",
        "  FLAKY   c",
        "  FAIL    b  exit 1",
        "  TIMEOUT d  over its time limit of 1s",
        "Run them again: pexen --journal /tmp/j.db rerun 12 --failed",
        "See what failed: pexen --journal /tmp/j.db logs 12 --failed",
    ]


def test_what_did_not_run_is_told_by_its_reason_the_most_tasks_first():
    lines = said(
        task("a", Verdict.NOT_RUN, "requires 'db', which was provided by nobody: setup (fail)"),
        *(task(f"net/{number}", Verdict.NOT_RUN, DIRTY) for number in range(31)),
    )

    assert lines == [
        "run 12: 32 tasks: 32 not run; in 1m12s",
        f"31 not run: {DIRTY}. When it is clean: pexen rerun --not-run",
        "    net/0  net/1  net/2  net/3  net/4  and 26 more",
        "1 not run: requires 'db', which was provided by nobody: setup (fail)",
        "    a",
        "Run what did not run: pexen rerun 12 --not-run",
        "See all of it: pexen show 12",
    ]


def test_what_failed_and_what_did_not_run_are_run_again_together():
    lines = said(task("a", Verdict.FAIL, "exit 1"), task("b", Verdict.NOT_RUN, DIRTY))

    assert lines[-2] == "Run them again: pexen rerun 12 --failed --not-run"


def test_an_unfinished_run_is_gone_on_with():
    lines = said(task("a"), task("b", Verdict.NONE, final=False))

    assert lines == ["run 12: 2 tasks: 1 pass, 1 left; in 1m12s", "Go on with: pexen resume 12"]


def test_a_run_that_was_given_up_says_why_once():
    why = "the run was given up after 2 tasks had failed"
    lines = said(task("a", Verdict.FAIL), task("b", Verdict.FAIL), *[task("c", Verdict.NOT_RUN, why)] * 3, given_up=why)

    assert lines[1:3] == ["The run was given up after 2 tasks had failed.", "3 not run: the run was given up"]
    assert sum("2 tasks had failed" in line for line in lines) == 1


def test_thousands_of_failures_and_reasons_are_cut():
    lines = said(
        *(task(f"f{number}", Verdict.FAIL) for number in range(1000)),
        *(task(f"n{number}", Verdict.NOT_RUN, f"reason {number}") for number in range(1000)),
    )

    assert "  ... and 980 more" in lines
    assert "980 not run, for 980 other reasons" in lines
    assert len(lines) < 70


def test_warnings_are_named_at_the_end_too_and_numbers_add_up():
    lines = said(
        task("a", Verdict.WARN, "noisy"),
        task("b", Verdict.WARN, "noisy", flaky=True),
        task("c", flaky=True),
        task("d", Verdict.NOT_RUN, "a person cancelled the run"),
    )

    assert lines == [
        "run 12: 4 tasks: 1 pass (1 flaky), 2 warn (1 flaky), 1 not run; in 1m12s",
        "  WARN    a  noisy",
        "  FLAKY   b  noisy",
        "  FLAKY   c",
        "1 not run: a person cancelled the run",
        "    d",
        "Run what did not run: pexen rerun 12 --not-run",
        "See all of it: pexen show 12",
    ]
