"""Every reason for which a task can be waiting has a sentence of its own. (Groups have tests of their own.)"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from pexen_state.core.explain import Ended, Locked, OtherGroup, Ready, Short, Waits, Why, sentence, why
from pexen_state.core.explain import InFlight as Flying
from pexen_state.core.inputs import PoolHasRoom, RunOpened
from pexen_state.core.resources import PATIENCE
from tests.stories import Plan, asks_for_reboot, raised, returned, spec, started, timed_out

ROOM = PoolHasRoom(9)

ME_LAST = spec("me", needs=(("gpu", 1),), priority=2)

Case = tuple[type, str, Callable[[], Plan]]


def opened(*specs: object, room: int = 9, then: tuple[object, ...] = (), **more: object) -> Plan:
    """The specs are of tasks, of which the last is `me`; `then` happens in the next turn."""
    plan = Plan(specs, **more)
    plan.handle(RunOpened(), PoolHasRoom(room))
    if then:
        plan.handle(*then, ROOM)
    return plan


def overtaken() -> Plan:
    """A small task always has a gpu when another one ends, so the large one never gets both: until it has its turn."""
    small = [spec(f"s{number}", needs=(("gpu", 1),), priority=1) for number in range(PATIENCE + 9)]
    plan = Plan(
        [spec("first", needs=(("gpu", 1),), priority=-1), spec("large", needs=(("gpu", 2),)), *small, ME_LAST],
        resources={"gpu": 2},
    )
    plan.handle(RunOpened(), ROOM)
    for number in range(PATIENCE):
        plan.handle(returned(f"s{number}"), ROOM)
    return plan


def tried_again() -> Plan:
    plan = Plan([spec("me", retries=1)])
    plan.handle(RunOpened(), PoolHasRoom(1))
    plan.handle(raised("me"), PoolHasRoom(0))
    return plan


CASES: dict[str, Case] = {
    # -- it requires a name
    "me requires 'x' and waits for a (submitted).": (
        Waits,
        "one provider",
        lambda: opened(spec("a", provides=["x"]), spec("me", requires=["x"])),
    ),
    "me requires 'x' and waits for any of a (submitted) and b (submitted).": (
        Waits,
        "any provider",
        lambda: opened(spec("a", provides=["x"]), spec("b", provides=["x"]), spec("me", requires=["x"])),
    ),
    "me requires 'x' and waits for each of a (submitted) and b (submitted).": (
        Waits,
        "every provider",
        lambda: opened(spec("a", provides=["x"]), spec("b", provides=["x"]), spec("me", requires_all=["x"])),
    ),
    "me requires 'x' and waits for a (submitted). me requires 'y' and waits for b (submitted).": (
        Waits,
        "two names",
        lambda: opened(spec("a", provides=["x"]), spec("b", provides=["y"]), spec("me", requires=["x", "y"])),
    ),
    "me requires 'x', but nobody can provide it any more: a ended without.": (
        Waits,
        "the provider broke its promise",
        lambda: opened(spec("a", provides=["x"]), spec("long"), spec("me", requires=["x"]), then=(raised("a"),)),
    ),
    "me requires 'x', but no task provides it.": (
        Waits,
        "there is no provider",
        lambda: opened(spec("long"), spec("me", requires=["x"])),
    ),
    # -- it comes after others
    "me comes after a*: a1 (submitted) must end first.": (
        Waits,
        "plain order",
        lambda: opened(spec("a1"), spec("me", after=["a*"])),
    ),
    # -- it lacks a lock
    "me waits for the lock disk, claimed by a.": (
        Locked,
        "another claims it",
        lambda: opened(spec("a", claims=["disk"]), spec("me", uses=["disk"])),
    ),
    "me waits for the lock disk, used by a and used by b.": (
        Locked,
        "others use it",
        lambda: opened(spec("a", uses=["disk"]), spec("b", uses=["disk"]), spec("me", claims=["disk"])),
    ),
    "me waits for the lock /dev/sda, claimed by a as /dev.": (
        Locked,
        "another has the one above",
        lambda: opened(spec("a", claims=["/dev"]), spec("me", uses=["/dev/sda"])),
    ),
    "me waits for the lock /dev, used by a as /dev/sda.": (
        Locked,
        "another has one below",
        lambda: opened(spec("a", uses=["/dev/sda"]), spec("me", claims=["/dev"])),
    ),
    "me waits for the lock disk, claimed by a. 1 task is before it.": (
        Locked,
        "others queue",
        lambda: opened(spec("a", claims=["disk"]), spec("b", claims=["disk"]), spec("me", claims=["disk"])),
    ),
    "me waits for the lock disk, which queued writers are to have first. 1 task is before it.": (
        Locked,
        "a writer queues",
        lambda: opened(spec("a", uses=["disk"]), spec("b", claims=["disk"]), spec("me", uses=["disk"])),
    ),
    "me waits for the lock disk, claimed by a. a left it dirty: 'pexen unlock disk' frees it.": (
        Locked,
        "it was left dirty",
        lambda: opened(spec("a", claims=["disk"]), spec("long"), spec("me", claims=["disk"]), then=(timed_out("a"),)),
    ),
    "me waits for the lock disk, claimed by a. a left it held: 'pexen unlock disk' frees it.": (
        Locked,
        "it was left held",
        lambda: opened(spec("a", claims=["disk"]), spec("long"), spec("me", claims=["disk"]), then=(raised("a"),)),
    ),
    "me waits for the lock disk, claimed by a. a left it dirty: 'pexen unlock disk' frees it."
    " fix (waiting) recovers it when it passes.": (
        Locked,
        "somebody recovers it",
        lambda: opened(
            spec("a", claims=["disk"]),
            spec("tools", provides=["tools"]),
            spec("fix", recovers=["disk"], requires=["tools"]),
            spec("me", claims=["disk"]),
            then=(timed_out("a"),),
        ),
    ),
    # -- it needs more of a resource than is free
    "me needs 2 of gpu: 1 of 2 is free, the rest is with a (1).": (
        Short,
        "others have it",
        lambda: opened(spec("a", needs=(("gpu", 1),)), spec("me", needs=(("gpu", 2),)), resources={"gpu": 2}),
    ),
    f"me needs 1 of gpu: 1 of 2 is free, the rest is with first (1). large has been overtaken {PATIENCE} times, and"
    " comes first.": (Short, "another has its turn", overtaken),
    # -- the pool has no room
    "me is ready and waits for a free worker.": (Ready, "no worker", lambda: opened(spec("a"), spec("me"), room=1)),
    "me is ready and waits for a free worker. 1 task is before it.": (
        Ready,
        "no worker, and others first",
        lambda: opened(spec("a"), spec("b"), spec("me"), room=1),
    ),
    "me has made 1 attempt, will be tried again and is ready and waits for a free worker.": (
        Ready,
        "it is to be tried again",
        tried_again,
    ),
    # -- somebody else has it
    "me was handed to the pool; no worker has begun it yet.": (Flying, "no worker yet", lambda: opened(spec("me"))),
    "me is running.": (Flying, "it runs", lambda: opened(spec("me"), then=(started("me"),))),
    "me is rebooting.": (
        Flying,
        "it waits for a reboot",
        lambda: opened(spec("long"), spec("me"), then=(asks_for_reboot("me"),)),
    ),
}


def of_me(plan: Plan) -> Why:
    return why(plan, plan.named("me").number)


@pytest.mark.parametrize("told", CASES, ids=[name for _, name, _ in CASES.values()])
def test_who_waits_is_told_for_what(told: str) -> None:
    kind, _, make = CASES[told]
    about = of_me(make())

    assert sentence(about) == told
    assert type(about) is kind


def test_nothing_keeps_a_task_waiting_that_is_not_told_here() -> None:
    assert set(get_args(Why)) - {kind for kind, _, _ in CASES.values()} == {Ended, OtherGroup}
