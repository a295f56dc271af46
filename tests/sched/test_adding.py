"""What tasks say is read when they are added and again when they run; what is the same is not checked again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pexen_state.core.spec import TaskSpec
from pexen_state.sched import DepcheckError, MutexError, Sched, func_meta, meta
from pexen_state.sched.fields import FIELDS, usual
from pexen_state.sched.pool import ThreadWorkerPool


def named(name: str, **fields: Any) -> Callable[[], None]:
    @func_meta(name=name, **fields)
    def body() -> None:
        pass

    return body


def calls_of(names: set[str], what: Callable[[], object]) -> list[str]:
    """The functions of these names that were called meanwhile."""
    found = []

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_qualname in names:
            found.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        what()
    finally:
        sys.setprofile(None)
    return found


LOOKS = {"Rehearsal.add", "check_dependencies", "check_locks"}


@pytest.mark.parametrize("journaled", [False, True])
def test_tasks_that_say_the_same_as_before_are_not_checked_again(tmp_path, journaled):
    sched = Sched(
        [named("a", provides=["x"]), named("b", requires=["x"])], journal=tmp_path / "j.db" if journaled else None
    )

    assert calls_of(LOOKS, lambda: list(sched.run(ThreadWorkerPool()))) == []


def test_a_run_that_is_resumed_with_the_same_tasks_is_not_checked_again(tmp_path):
    tasks = [named("a", provides=["x"]), named("b", requires=["x"])]
    for _ in Sched(tasks, journal=tmp_path / "j.db").run(ThreadWorkerPool(1, spare=0)):
        break
    again = Sched(tasks, journal=tmp_path / "j.db")

    assert calls_of(LOOKS, lambda: list(again.run(ThreadWorkerPool()))) == []


def test_what_a_task_says_anew_is_checked_when_it_runs():
    task = named("a", claims=["disk"])
    sched = Sched([task])

    meta.get_requires(task).add("nothing")
    with pytest.raises(DepcheckError):
        list(sched.run())
    with pytest.raises(DepcheckError):  # and not believed the second time
        list(sched.run())
    meta.get_requires(task).clear()
    meta.get_uses(task).add("disk")
    with pytest.raises(MutexError):
        list(sched.run())


def test_what_a_task_says_anew_is_checked_even_if_others_were_refused_meanwhile():
    task = named("a")
    sched = Sched([task])
    list(sched.run())

    meta.get_requires(task).add("nothing")
    with pytest.raises(DepcheckError):
        sched.add_tasks([named("b", requires=["nothing, too"])])
    with pytest.raises(DepcheckError):
        list(sched.run())


def test_what_nobody_says_is_the_same_in_metadata_and_in_specs():
    silent = TaskSpec("silent")

    for field in set(FIELDS) & set(TaskSpec._fields) - {"retry_on"}:
        said = usual(field)
        assert getattr(silent, field) == (said or () if isinstance(said, frozenset | Mapping) else said)
