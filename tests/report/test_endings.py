"""How a session ended is a sentence, and its time is called what it is."""

from __future__ import annotations

import pytest

from pexen_state.report.endings import session_in_words
from pexen_state.report.style import when

AT = "2026-11-22T03:04:05.678901+00:00"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("finished", "finished at {at}"),
        ("stopped", "stopped at {at}; what ran was ended in order"),
        ("parked", "parked at {at}, until a person resumes it"),
        ("killed", "killed; last seen at {at}"),
        ("steered", "nothing was run, only steered at {at}"),
        ("crashed", "cut off: the box crashed or lost power; last seen at {at}"),
    ],
)
def test_a_session_says_how_it_ended_and_when_it_did_or_was_last_seen(how: str, said: str):
    assert session_in_words({"how_ended": how, "ended_at": AT}, is_running=False) == said.format(at=when(AT))


def test_a_session_that_has_not_ended_has_no_time_of_that():
    session = {"how_ended": None, "ended_at": None}

    assert session_in_words(session, is_running=True) == "runs now"
    assert session_in_words(session, is_running=False) == "cut off, and nobody went on yet"
