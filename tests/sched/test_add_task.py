"""A task that runs adds others: by what they are, and where they are found."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pexen_state import PexenWarning, Refused, Sched, current, task
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.journal.telling import sql
from tests.sched.newcomers import told

# Who requires it is added later.
pytestmark = pytest.mark.filterwarnings("ignore:Dep .* provided by:pexen_state.util.PexenWarning")

POOLS = pytest.mark.parametrize("kind", [ProcessWorkerPool, ThreadWorkerPool], ids=["process", "thread"])
JOURNALS = pytest.mark.parametrize("journaled", [True, False], ids=["journal", "memory"])


@pytest.fixture
def journal(journaled: bool, tmp_path: Path) -> Path | None:
    return tmp_path / "journal.db" if journaled else None


HERE = "tests.sched.test_add_task"

TOO_LARGE = (
    "add_task: x and its arguments are 1000106 bytes of JSON, and 1000000 are the most: write them to a file, and add "
    "the task with its path"
)
NOT_JSON = (
    "add_task: kwargs of x['n'] cannot be kept in the journal: it is of the type builtins:object, which JSON cannot "
    "give back exactly"
)
LAMBDA = "test_what_cannot_be_added_is_refused_with_a_reason.<locals>.adder.<locals>.<lambda>"
NOT_BY_NAME = (
    "cannot be imported by name, and that is how it would be found when the run is resumed: move it to the top of a "
    "module, and hand over what it needs as kwargs={...}"
)


def leaf(shared: dict[str, Any], *, n: int = 0) -> list[Any]:
    return [n, sorted(shared), current().key]


@task(requires=["adder"], name="declared", retries=2)
def declared(shared: dict[str, Any]) -> Any:
    return shared["from"]


def fails_once(shared: dict[str, Any]) -> None:
    if current().attempt == 1:
        raise OSError


def nested(shared: dict[str, Any], *, depth: int) -> None:
    if depth:
        current().add_task(nested, name=f"nested{depth - 1}", kwargs={"depth": depth - 1})


@POOLS
@JOURNALS
def test_a_task_adds_others_by_what_they_are_and_where_they_are_found(kind, journaled, journal):
    @task(name="adder", provides=["adder"])
    def adder(shared):
        me = current()
        shared["from"] = "adder"
        return [
            me.add_task(leaf),
            me.add_task("tests.sched.test_add_task:leaf", name="seven", kwargs={"n": 7}, requires=["adder"]),
            me.add_task(declared),
            me.add_task(nested, name="nested3", kwargs={"depth": 3}),
        ]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PexenWarning)
        found = told(Sched([adder], journal=journal).run(kind(2)))

    key = "tests.sched.test_add_task/leaf"
    assert found["adder"].ret == [key, "seven", "declared", "nested3"]
    assert found[key].ret == [0, [], key]
    assert found["seven"].ret == [7, ["from"], "seven"]
    assert found["declared"].ret == "adder"
    assert {"nested2", "nested1", "nested0"} < found.keys()
    assert repr(found["seven"].task) == "<task tests.sched.test_add_task:leaf>"


def test_what_a_task_has_added_is_in_the_journal_when_it_knows(tmp_path):
    journal = tmp_path / "journal.db"

    @task(name="adder")
    def adder(shared):
        current().add_task(leaf, name="leaf")
        return sql(journal, "SELECT task FROM tasks WHERE task = 'leaf'")

    found = told(Sched([adder], journal=journal).run(ProcessWorkerPool()))

    assert found["adder"].ret == [("leaf",)]


@POOLS
@JOURNALS
def test_an_attempt_that_is_tried_again_adds_the_same_tasks_which_adds_nothing(kind, journaled, journal):
    @task(name="adder", retries=1)
    def adder(shared):
        for n in range(3):
            current().add_task(leaf, name=f"leaf{n}", kwargs={"n": n})
        if current().attempt == 1:
            raise OSError

    results = list(Sched([adder], journal=journal).run(kind(2)))

    assert sorted(one.key for one in results) == ["adder", "leaf0", "leaf1", "leaf2"]


@POOLS
def test_what_cannot_be_added_is_refused_with_a_reason(kind):
    @task(name="adder", provides=["adder"])
    def adder(shared):
        me = current()
        me.add_task(leaf, name="leaf", kwargs={"n": 1})
        said = []
        for wrong, fields in (
            (leaf, {"name": "leaf", "kwargs": {"n": 2}}),
            (declared, {"name": "leaf"}),
            (leaf, {"name": "leaf", "kwargs": {"n": 1}, "priority": 3}),
            (leaf, {"name": "adder"}),
            (leaf, {"name": "x", "requires": ["addr"]}),
            (leaf, {"name": "x", "claims": ["/l"], "uses": ["/l"]}),
            (leaf, {"name": "x", "kwargs": {"n": "x" * 1_000_000}}),
            (leaf, {"name": "x", "kwargs": {"n": object()}}),
            (lambda: 1, {}),
            ("tests.sched.test_add_task:nobody", {}),
            ("no place", {}),
        ):
            with pytest.raises(Refused) as error:
                me.add_task(wrong, **fields)
            said.append(str(error.value).partition("\n")[0])
        return said

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PexenWarning)
        found = told(Sched([adder]).run(kind()))

    assert sorted(found) == ["adder", "leaf"]
    known = "add_task: 'leaf' is in the run already, as"
    assert found["adder"].ret == [
        f"{known} a call of {HERE}:leaf with other arguments: give this one another name",
        f"{known} a call of {HERE}:leaf: give this one another name",
        f"{known} the same call, but says something else of priority: give this one another name",
        "add_task: 'adder' is in the run already, as another task: give this one another name",
        "add_task: Unsatisfied requires remain: ['addr']",
        "add_task: Task x has {'/l'} in both claims and uses.",
        TOO_LARGE,
        NOT_JSON,
        f"add_task: {LAMBDA} {NOT_BY_NAME}",
        f"add_task: {HERE}:nobody cannot be imported: there is no callable at {HERE}:nobody any more",
        "add_task: 'no place' is no place of a callable: write module:function",
    ]


def test_an_executable_that_is_python_adds_tasks_too(tmp_path):
    program = "import pexen_state; pexen_state.current().add_task('tests.sched.test_add_task:leaf', name='leaf')"
    adder = Executable([sys.executable, "-c", program], cwd=os.getcwd())
    assign_val(adder, name="adder")

    found = told(Sched([adder], journal=tmp_path / "journal.db").run(ProcessWorkerPool()))

    assert {key: one.verdict for key, one in found.items()} == {"adder": "pass", "leaf": "pass"}


@POOLS
def test_what_a_task_had_added_is_made_again_though_the_task_is_over(kind, tmp_path):
    journal = tmp_path / "journal.db"

    @task(name="adder", provides=["adder"])
    def adder(shared):
        shared["from"] = "adder"
        current().add_task(leaf, name="one", kwargs={"n": 1}, requires=["adder"])
        current().add_task(declared, priority=1)

    for result in Sched([adder], journal=journal).run(kind(1, spare=0)):
        assert result.key == "adder"
        break
    found = told(Sched([adder], journal=journal).run(kind()))

    assert found["one"].ret == [1, ["from"], "one"]
    assert found["declared"].ret == "adder"
    assert found["adder"].replayed


def test_an_adder_that_runs_again_in_another_session_meets_what_it_had_added(tmp_path):
    journal = tmp_path / "journal.db"

    def adder_of(summary: str, does: Callable[[], object]):
        @task(name="adder")
        def adder(shared):
            current().add_task(leaf, name="leaf", kwargs={"n": 1}, priority=5, summary=summary)
            does()

        return adder

    def stop_when_there_are_two():
        if sched.plan is not None and len(sched.plan.tasks) == 2:
            sched.stop()

    sched = Sched([adder_of("then", signal.pause)], journal=journal, pulse=stop_when_there_are_two)
    assert list(sched.run(ProcessWorkerPool())) == []
    found = told(Sched([adder_of("now", bool)], journal=journal).run(ProcessWorkerPool()))

    assert {key: one.verdict for key, one in found.items()} == {"adder": "pass", "leaf": "pass"}
    ((recorded,),) = sql(journal, "SELECT spec FROM task WHERE key = 'leaf'")
    assert '"summary":"then"' in recorded


def test_a_function_that_is_no_longer_there_fails_its_task_alone(tmp_path, monkeypatch):
    journal = tmp_path / "journal.db"
    (tmp_path / "goes_away.py").write_text("def gone(): pass\ndef stays(): return 'stayed'\n")
    monkeypatch.syspath_prepend(tmp_path)

    @task(name="adder")
    def adder(shared):
        current().add_task("goes_away:gone")
        current().add_task("goes_away:stays")

    for _ in Sched([adder], journal=journal).run(ProcessWorkerPool(1, spare=0)):
        break
    (tmp_path / "goes_away.py").write_text("def stays(): return 'stayed'\n")
    found = told(Sched([adder], journal=journal).run(ProcessWorkerPool()))

    assert found["goes_away/stays"].ret == "stayed"
    assert (found["goes_away/gone"].verdict, found["goes_away/gone"].reason) == (
        "error",
        "AttributeError: there is no callable at goes_away:gone any more",
    )
