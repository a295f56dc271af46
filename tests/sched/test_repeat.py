"""Rounds: the same tasks several times in one run, each round complete in itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.check import check_dependencies
from pexen_state.sched import Sched, func_meta
from pexen_state.sched.executable import Executable
from pexen_state.sched.identity import fingerprint, key_of
from pexen_state.sched.meta import Task, assign_val, declared_of
from pexen_state.sched.meta import task as declared
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from pexen_state.sched.repeat import repeated, without_round
from pexen_state.sched.specs import spec_of


def task(name: str, **fields: Any) -> Callable[[], str]:
    @func_meta(name=name, **fields)
    def body() -> str:
        return name

    return body


def run(tasks: Sequence[Task]) -> list[str | None]:
    return [result.key for result in Sched(tasks).run(ThreadWorkerPool(1, spare=0))]


def requires(tasks: Sequence[Task], key: str) -> tuple[Any, ...]:
    return next(spec_of(one, key).requires for one in tasks if key_of(one) == key)


def test_every_round_is_complete_in_itself_and_they_come_one_after_the_other():
    suite = [task("setup", provides=["db"]), task("login", requires=["db"])]

    tasks = repeated(suite, 2, ["setup", "login"])

    assert [key_of(one) for one in tasks] == ["setup@1", "login@1", "setup@2", "login@2"]
    assert requires(tasks, "login@2") == ("db@2",)
    assert run(tasks) == ["setup@1", "login@1", "setup@2", "login@2"]


def test_what_is_not_repeated_is_there_for_all_rounds():
    suite = [task("setup", provides=["db"]), task("login", requires=["db"])]

    tasks = repeated(suite, 3, ["login"])

    assert tasks[0] is suite[0]
    assert run(tasks) == ["setup", "login@1", "login@2", "login@3"]


def test_what_is_there_for_all_rounds_may_require_what_any_round_provides_and_come_after_all():
    suite = [
        task("disk", provides=["disk"]),
        task("setup", requires=["disk"], provides=["db"]),
        task("login", requires=["db", "disk"]),
        task("report", after=["log*"]),
    ]

    tasks = repeated(suite, 2, ["disk", "login"])

    assert run(tasks) == ["disk@1", "setup", "login@1", "disk@2", "login@2", "report"]


def test_a_name_that_both_provide_is_provided_in_each_round():
    tasks = repeated(
        [task("a", provides=["x"]), task("b", provides=["x"]), task("c", requires_all=["x"])], 2, ["a", "c"]
    )

    assert check_dependencies([spec_of(one, key_of(one)) for one in tasks]) is None
    assert run(tasks) == ["a@1", "b", "c@1", "a@2", "c@2"]


def test_names_of_any_type_and_alternatives_hold_within_a_round():
    suite = [task("a", provides=[7, "x"]), task("b", requires=[7, "x | y", "other | y"]), task("c", provides=["other"])]

    tasks = repeated(suite, 2, ["a", "b"])

    assert set(requires(tasks, "b@2")) == {(7, 2), "x@2 | y", "other | y"}


def test_order_holds_within_a_round_and_a_task_never_runs_beside_itself():
    suite = [task("net/a"), task("net/b[1]", after=["net/a"]), task("z", after=["*"]), task("steady")]

    tasks = repeated(suite, 2, ["net/a", "net/b[1]", "z"])
    specs = {key_of(one): spec_of(one, key_of(one)) for one in tasks}

    assert set(specs["net/b[1]@2"].after) == {"net/a@2", "net/b[[]1]@1"}
    assert set(specs["z@1"].after) == {"*@1", "steady"}
    assert check_dependencies(list(specs.values())) is None
    order = run(tasks)
    assert order.index("net/b[1]@1") < order.index("net/b[1]@2")


def test_a_copy_runs_as_its_original_does():
    @declared(kwargs={"word": "said"}, name="callable")
    def python(shared: dict[str, Any], word: str) -> str:
        return word

    command = Executable(["true"], statuses="automake", origin="s.jobs, line 1")
    assign_val(command, name="command", env={"A": "b"})

    copies = repeated([python, command], 2, ["callable", "command"])
    results = {result.key: result for result in Sched(copies).run(ProcessWorkerPool(workers=2))}

    assert results["callable@2"].ret == "said"
    assert results["command@2"].verdict == "pass"
    assert declared_of(copies[2]) == declared_of(python)
    assert isinstance(copies[3], Executable)
    assert (copies[3].statuses, copies[3].origin) == ("automake", "s.jobs, line 1")
    assert [fingerprint(one) for one in copies[:2]] == [fingerprint(one) for one in copies[2:]]
    assert key_of(command) == "command"


def test_rounds_can_be_resumed(tmp_path):
    suite = [task("setup", provides=["db"]), task("login", requires=["db"])]
    for _ in Sched(repeated(suite, 3, ["setup", "login"]), journal=tmp_path / "j.db").run(ThreadWorkerPool(1, spare=0)):
        break

    again = Sched(repeated(suite, 3, ["setup", "login"]), journal=tmp_path / "j.db").run(ThreadWorkerPool(1))

    assert [(result.key, result.replayed) for result in again][:2] == [("setup@1", True), ("login@1", False)]


@pytest.mark.parametrize(
    ("key", "name"), [("a@12", "a"), ("a", "a"), ("a@b", "a@b"), ("@1", "@1"), ("a@1@2", "a@1"), ("a@", "a@")]
)
def test_the_number_of_a_round_can_be_taken_off(key: str, name: str):
    assert without_round(key) == name


NAMES = st.sampled_from("xyz")


@given(
    tasks=st.lists(
        st.tuples(st.frozensets(NAMES, max_size=2), st.frozensets(NAMES, max_size=1), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    rounds=st.integers(1, 3),
)
def test_a_suite_that_can_run_can_run_in_rounds(tasks: list[Any], rounds: int):
    suite = [
        task(f"t{number}", provides=sorted(provides), requires=sorted(requires))
        for number, (provides, requires, _) in enumerate(tasks)
    ]
    which = [f"t{number}" for number, (_, _, again) in enumerate(tasks) if again]
    can = check_dependencies([spec_of(one, key_of(one)) for one in suite]) is None

    specs = [spec_of(one, key_of(one)) for one in repeated(suite, rounds, which)]

    assert len(specs) == len(suite) + (rounds - 1) * len(which)
    assert len({spec.key for spec in specs}) == len(specs)
    if can:
        assert check_dependencies(specs) is None
