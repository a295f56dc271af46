"""The law: every state can be reached, and nothing leads out of an end."""

from __future__ import annotations

import pytest

from pexen_state.core.decisions import Transition
from pexen_state.core.inputs import PoolHasRoom, RunOpened
from pexen_state.core.plan import IllegalTransition
from pexen_state.core.states import ATTEMPT_STATE, DECIDABLE, IMPLIED, LEGAL, Cause, State, Verdict, Word, is_legal
from tests.stories import Plan, returned, spec

FINAL = {State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.SKIPPED, State.CANCELLED}


def test_every_state_is_reached_from_waiting() -> None:
    reached = {State.WAITING}
    while more := {new for old, new in LEGAL if old in reached} - reached:
        reached |= more

    assert reached == set(State)


def test_nothing_leads_out_of_a_final_state_but_being_sent_back() -> None:
    assert {state for state in State if state.is_final} == FINAL
    assert {(old, new) for old, new in LEGAL if old in FINAL} == {
        (old, State.WAITING) for old in FINAL - {State.CANCELLED}
    }
    for old in FINAL - {State.CANCELLED}:
        reopened = {Cause.REOPENED} if old is State.SKIPPED else set()
        assert LEGAL[old, State.WAITING] == {Cause.CHANGED} | reopened


def test_a_final_state_is_reached_from_every_other_one() -> None:
    for state in set(State) - FINAL:
        ahead = {state}
        while more := {new for old, new in LEGAL if old in ahead} - ahead:
            ahead |= more
        assert ahead & FINAL, state


def test_every_cause_has_its_place_in_the_law() -> None:
    assert set(Cause) == {cause for causes in LEGAL.values() for cause in causes}


def test_an_ending_leads_to_the_same_state_whether_a_worker_said_that_it_began_or_not() -> None:
    for cause, state in ATTEMPT_STATE.items():
        assert is_legal(State.SUBMITTED, state, cause)
        assert is_legal(State.RUNNING, state, cause) or cause is Cause.WITHDRAWN


def test_what_is_implied_is_nobodys_decision() -> None:
    assert not any(cause in IMPLIED for _, _, cause in DECIDABLE)


def test_numbers_in_the_tables_are_fixed_for_ever() -> None:
    numbers = {words: [(one.name, int(one)) for one in words] for words in (State, Verdict)}

    assert numbers[State] == [
        ("WAITING", 0),
        ("READY", 1),
        ("SUBMITTED", 2),
        ("RUNNING", 3),
        ("REBOOTING", 4),
        ("LOST", 5),
        ("SUCCEEDED", 6),
        ("FAILED", 7),
        ("TIMED_OUT", 8),
        ("SKIPPED", 9),
        ("CANCELLED", 10),
    ]
    assert numbers[Verdict] == [
        ("NONE", 0),
        ("SKIP", 1),
        ("INFO", 2),
        ("PASS", 3),
        ("WARN", 4),
        ("FAIL", 5),
        ("ERROR", 6),
        ("TIMEOUT", 7),
        ("CRASH", 8),
        ("NOT_RUN", 9),
    ]


@pytest.mark.parametrize("words", [State, Verdict, Cause])
def test_a_word_is_found_by_its_number_and_by_itself(words: type[Word]) -> None:
    for one in words:
        assert {words(int(one)): 1}[one] == 1
        assert one.word == one.name.lower()


@pytest.mark.parametrize(
    "decision",
    [
        Transition(1, 0, State.WAITING, State.READY, Cause.START),  # implied: no decision
        Transition(1, 1, State.SUBMITTED, State.WAITING, Cause.HELD_BACK),
        Transition(1, 1, State.RUNNING, State.SUCCEEDED, Cause.RETURNED, Verdict.PASS),  # it is not running
        Transition(1, 2, State.SUBMITTED, State.SUCCEEDED, Cause.RETURNED, Verdict.PASS),  # another attempt
        Transition(1, 1, State.SUBMITTED, State.FAILED, Cause.RETURNED, Verdict.FAIL),  # not for this cause
        Transition(1, 2, State.READY, State.SUBMITTED, Cause.DISPATCH),
        Transition(9, 1, State.SUBMITTED, State.SUCCEEDED, Cause.RETURNED, Verdict.PASS),  # nobody
    ],
)
def test_an_illegal_transition_raises_and_changes_nothing(decision: Transition) -> None:
    def submitted() -> Plan:
        plan = Plan([spec("task", claims={"disk"}), spec("other")])
        plan.handle(RunOpened(), PoolHasRoom(1))
        return plan

    plan = submitted()

    with pytest.raises(IllegalTransition):
        plan.apply(decision)

    assert plan == submitted()
    plan.validate()
    assert plan.gives(returned("task")) == ["task"]


def test_an_illegal_transition_says_what_and_where_it_stands() -> None:
    plan = Plan([spec("net/dhcp")])

    with pytest.raises(IllegalTransition, match=r"net/dhcp: running -> succeeded .* it is ready in attempt 0"):
        plan.apply(Transition(1, 1, State.RUNNING, State.SUCCEEDED, Cause.RETURNED, Verdict.PASS))
