"""Which tasks ran when a session went away: by the journal, and by the marks of this boot. Nobody guesses."""

from __future__ import annotations

from pexen_state.core.states import State
from pexen_state.journal.records import SavedTask
from pexen_state.sched.interrupted import CutOff, Interrupted, begun_in
from pexen_state.sched.pool.slots import BegunMarks


def saved(number: int, state: State, attempt: int = 1) -> SavedTask:
    return SavedTask(number, f"t{number}", None, int(state), attempt, 0, 0, 0, 0, 0, 0, None, None, None)


def cut_off(saved: list[SavedTask], marks: BegunMarks | None) -> CutOff:
    return Interrupted(begun=begun_in(marks, 7)).cut_off(saved)


LEFT = [
    saved(4, State.SUCCEEDED),
    saved(3, State.SUBMITTED, 2),
    saved(2, State.SUBMITTED),
    saved(1, State.RUNNING),
    saved(5, State.READY),
]


def test_who_was_handed_over_and_has_not_begun_did_not_run():
    marks = BegunMarks("7", frozenset({(3, 1), (2, 1)}))  # of 3 an earlier attempt

    assert cut_off(LEFT, marks) == CutOff(("t1", "t2"), True)


def test_without_a_mark_only_those_ran_of_which_the_journal_says_so():
    assert cut_off(LEFT, BegunMarks("7", frozenset())) == CutOff(("t1",), True)


def test_after_a_new_boot_all_that_was_in_flight_may_have_run():
    for marks in (None, BegunMarks("6", frozenset({(2, 1)}))):  # none to be believed, or those of another run
        assert cut_off(LEFT, marks) == CutOff(("t1", "t2", "t3"), False)


def test_what_the_journal_says_is_sure_after_a_new_boot_too():
    assert cut_off([saved(1, State.RUNNING)], None) == CutOff(("t1",), True)


def test_nothing_ran_where_nothing_was_in_flight():
    assert cut_off([saved(1, State.READY), saved(2, State.FAILED)], None) == CutOff((), True)
