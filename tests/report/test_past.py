"""The words for a task's past."""

from __future__ import annotations

import pytest

from pexen_state.journal.asking.past import History, Past, Slow, Spread, Streak
from pexen_state.report.past import history_lines, slow_lines, streak_words
from pexen_state.report.style import PLAIN


@pytest.mark.parametrize(
    ("streak", "words"),
    [
        (None, "it never passed or failed"),
        (Streak(True, 9, 3, 4), "fails since run 9, after 4 passes"),
        (Streak(True, 9, 1, 1), "fails since run 9, after 1 pass"),
        (Streak(False, 2, 1, 1), "passes since run 2, after 1 failure"),
        (Streak(False, 2, 5, 3), "passes since run 2, after 3 failures"),
        (Streak(True, 1, 7, 0), "failed in all of its 7 runs"),
        (Streak(False, 1, 1, 0), "passed in its only run"),
    ],
)
def test_how_it_has_been_since_when(streak: Streak | None, words: str) -> None:
    assert streak_words(streak) == words


def test_the_last_twenty_verdicts_are_a_line_of_letters_oldest_first() -> None:
    verdicts = ["fail", *["pass"] * 18, "crash", "not_run", None]
    runs = [
        Past(number, "suite", None, "running", verdict, False, 1, None, None)
        for number, verdict in enumerate(verdicts, 1)
    ]

    lines = list(history_lines(History("a", runs[::-1], None, None), PLAIN))

    assert lines[-1] == (f"newest 20  {'P' * 17}XN?  oldest first: ? not ended, N not run, P pass, X crash")
    assert lines[2].split() == ["22", "running", "1"]


def test_a_task_that_never_ended_has_no_usual_time() -> None:
    one = Past(1, "suite", None, "succeeded", "pass", True, 2, 65.0, None)

    lines = list(history_lines(History("a", [one], Spread(65.0, 60.0, 70.0, 2), None), PLAIN))

    assert lines[-2:] == [
        "newest  1  p  oldest first: p pass in a later attempt",
        "usually    1m05s, from 1m to 1m10s in 2 runs",
    ]


def test_hostile_names_are_shown_as_escapes() -> None:
    assert list(slow_lines([Slow("a\x1b[2J", 2.0, 0.5)]))[1] == "a\\x1b[2J     2.0s   50.0 %"
