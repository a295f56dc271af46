"""Tasks that passed in another run: skipped, and what they provide counts as there."""

from __future__ import annotations

from pexen_state.core.catalogue import everything_applies
from pexen_state.core.decisions import Transition
from pexen_state.core.inputs import ConditionsKnown, PassedBefore, PoolHasRoom, RunOpened, TaskChanged
from pexen_state.core.states import Cause
from tests.stories import Plan, raised, returned, spec

OPENED = (RunOpened(), PoolHasRoom(9))


def chain() -> Plan:
    return Plan(
        [
            spec("setup", provides={"net"}),
            spec("dns", requires={"net"}, provides={"names"}, claims={"/etc"}),
            spec("web", requires={"names"}),
        ]
    )


def test_who_passed_before_is_skipped_and_who_requires_it_runs():
    plan = chain()

    assert plan.submits(PassedBefore({1: "passed in run 7", 2: "passed in run 7"}), *OPENED) == ["web"]

    assert plan.how("setup") == plan.how("dns") == ("skipped", "skip")
    assert plan.named("dns").reason == "passed in run 7"
    assert plan.story("dns") == ["waiting -> ready: provided", "ready -> skipped: passed_before"]
    plan.handle(returned("web"), PoolHasRoom(9))
    assert plan.is_over
    assert plan.failed == 0


def test_who_waits_for_somebody_is_skipped_all_the_same():
    plan = chain()

    assert plan.submits(PassedBefore({3: "passed in run 7"}), *OPENED) == ["setup"]
    assert plan.story("web") == ["waiting -> skipped: passed_before"]

    plan.handle(raised("setup"), PoolHasRoom(9))
    assert plan.how("dns") == ("skipped", "not_run")
    assert plan.how("web") == ("skipped", "skip")


def test_who_does_not_apply_here_provides_nothing_whatever_it_did_before():
    plan = Plan([spec("nvme", provides={"disk"}, when="disk"), spec("test", requires={"disk"})])
    applies = ConditionsKnown(lambda task: (task.when is None, "when: no disk"))

    plan.handle(applies, PassedBefore({1: "passed in run 7"}), *OPENED)

    assert plan.named("nvme").reason == "when: no disk"
    assert plan.how("test") == ("skipped", "skip")


def test_who_has_begun_or_has_ended_is_left_as_it_is():
    plan = chain()
    plan.handle(ConditionsKnown(everything_applies), *OPENED)
    plan.handle(PassedBefore({1: "passed in run 7"}))
    assert plan.how("setup")[0] == "submitted"

    plan.handle(returned("setup"), PoolHasRoom(9))
    before = plan.decided.copy()
    plan.handle(PassedBefore({1: "passed in run 7", 2: "passed in run 7"}))

    assert plan.decided == before


def test_what_changed_since_is_sent_back_and_those_that_passed_stay_skipped():
    plan = Plan([spec("setup", provides={"net"}), spec("dns", requires={"net"}), spec("web", requires={"net"})])
    plan.handle(PassedBefore({1: "passed in run 7", 2: "passed in run 7"}))

    assert plan.submits(TaskChanged(1), *OPENED) == ["setup"]

    assert plan.how("dns") == ("skipped", "skip")
    plan.handle(returned("setup"), PoolHasRoom(9))
    assert plan.how("web")[0] == "submitted"


def test_it_is_decided_once_and_a_replay_tells_the_same():
    plan = chain()
    plan.handle(PassedBefore({1: "passed in run 7"}))

    (decided,) = plan.decided
    assert isinstance(decided, Transition)
    assert (decided.cause, decided.provided) == (Cause.PASSED_BEFORE, True)
    again = chain()
    again.apply(decided)
    assert again == plan
