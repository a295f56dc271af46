"""`shared` flows from parents to children, is each task's own, and is dropped when the last child has it."""

from __future__ import annotations

from pexen_state.core.inputs import Ending, Finished, PoolHasRoom, RunOpened, TasksAdded
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.shared import SharedStore

PASSED = Ending(Cause.RETURNED, Verdict.PASS)


class Family:
    """A plan whose tasks end when the test says so, and the store beside it."""

    def __init__(self, *specs: TaskSpec, **base: object) -> None:
        self.plan = Plan(specs)
        self.store = SharedStore(self.plan, base)
        self.plan.handle(RunOpened(), PoolHasRoom(10))

    def end(self, task: int, ending: Ending = PASSED, **left: object) -> None:
        self.plan.handle(Finished(task, 1, ending), PoolHasRoom(10))
        self.store.ended(task, left)

    def input_of(self, task: int) -> dict[str, object]:
        return self.store.input_of(self.plan.parents(task))


PARENT = TaskSpec("parent", provides=("a",))
OTHER = TaskSpec("other", provides=("b",))
CHILD = TaskSpec("child", requires=("a", "b"))


def test_the_parent_that_ended_last_has_the_last_word():
    family = Family(PARENT, OTHER, CHILD, word="base")

    family.end(2, word="other", two=2)
    family.end(1, word="parent", one=1)

    assert family.input_of(3) == {"word": "parent", "one": 1, "two": 2}


def test_a_child_may_append_to_a_list_without_its_siblings_seeing_that():
    sibling = TaskSpec("sibling", requires=("a",))
    family = Family(PARENT, sibling, TaskSpec("another", requires=("a",)), base=[0])
    family.end(1, words=["one"], deep={"er": [{1}]})

    first = family.input_of(2)
    first["words"].append("two")
    first["deep"]["er"][0].add(2)
    first["base"].append(1)

    assert family.input_of(3) == {"base": [0], "words": ["one"], "deep": {"er": [{1}]}}


def test_objects_that_are_no_plain_containers_stay_the_same_objects():
    thing = object()
    family = Family(PARENT, TaskSpec("child", requires=("a",)))
    family.end(1, thing=thing)

    assert family.input_of(2)["thing"] is thing


def test_what_a_parent_left_is_dropped_with_its_last_child():
    first, second = TaskSpec("first", requires=("a",)), TaskSpec("second", requires=("a",))
    family = Family(PARENT, first, second)

    family.end(1, word=1)
    assert len(family.store) == 1
    family.end(2)
    assert len(family.store) == 1
    family.end(3)
    assert len(family.store) == 0


def test_a_broken_promise_passes_nothing_on():
    cleanup = TaskSpec("cleanup", requires=("a",), always=True)
    family = Family(PARENT, cleanup, base=1)

    family.end(1, Ending(Cause.RAISED, Verdict.ERROR), word="half done")

    assert family.input_of(2) == {"base": 1}
    assert len(family.store) == 0


def test_a_child_that_is_skipped_in_the_turn_in_which_its_parent_ends_takes_nothing_from_its_siblings():
    sibling = TaskSpec("sibling", requires=("a",))
    family = Family(PARENT, OTHER, CHILD, sibling)
    skipped = Ending(Cause.SKIPPED, Verdict.SKIP)
    turn = family.plan.handle(Finished(1, 1, PASSED), Finished(2, 1, skipped), PoolHasRoom(10))

    for decision in turn.decisions:
        if decision.new.is_final:
            family.store.ended(decision.task, {"one": 1} if decision.task == 1 else None)

    assert family.plan.tasks[3].state.is_final
    assert family.input_of(4) == {"one": 1}


def test_what_tasks_that_are_about_to_join_will_want_is_kept_until_they_are_known():
    joining = TaskSpec("joining", requires=("a",))
    family = Family(PARENT)
    family.store = SharedStore(family.plan, {}, [joining])
    family.end(1, one=1)
    assert len(family.store) == 1

    family.plan.handle(TasksAdded((joining,)))
    family.store.joined([2])

    assert family.input_of(2) == {"one": 1}
    family.end(2)
    assert len(family.store) == 0
