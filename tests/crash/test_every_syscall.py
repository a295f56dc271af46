"""SIGKILL, and errors of the disk and the kernel, at the k-th system call, for every k.

Where "some" stands in a name, a check tries a seeded sample; `scripts/torture` tries all of them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.crash import faults, suite
from tests.crash.aftermath import violations, wait_for_the_keeper
from tests.crash.faults import CLONES, FAILING, KILLED_KEEPER, KILLED_RUNNER, REFUSED, Fault, Place, points
from tests.crash.sessions import Nursery

MANY = 30
SOME = 5
A_FEW = 2

#: An error of pexen, as the suite prints it.
A_SENTENCE = re.compile(r"(Journal|Pool|Box)\w+: \w[^\n]* [^\n]*\n")

pytestmark = [
    pytest.mark.skipif(faults.why_not() is not None, reason=str(faults.why_not())),
    pytest.mark.timeout(900),
]

BOTH_POOLS = pytest.mark.parametrize("pool", ["process", "thread"])


def each(tried: tuple[Fault, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", tried, ids=str)


@pytest.fixture
def place(pool: str, nursery: Nursery, tmp_path: Path) -> Place:
    return Place(nursery, tmp_path, pool)


@pytest.fixture(scope="module")
def half_done(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a session left that was killed halfway."""
    directory = tmp_path_factory.mktemp("half-done")
    killed = suite.start(nursery, directory, "process", "--kill-after-commit", "8").wait()
    assert killed.was_killed, killed.err
    wait_for_the_keeper(directory)
    return directory


@pytest.mark.parametrize("pool", ["process"])
@each(KILLED_RUNNER)
def test_a_runner_that_was_killed_at_some_calls_is_resumed_to_the_same_end(fault: Fault, place: Place) -> None:
    sample = MANY if fault.calls == "pwrite64" else SOME
    tried = list(points(place, fault, sample))

    assert [str(point) for point in tried if point.violations] == []
    assert len(tried) >= (1 if fault.calls == CLONES else sample)
    assert all(point.session.was_killed for point in tried)


@pytest.mark.parametrize("pool", ["thread"])
@each(KILLED_RUNNER)
def test_a_runner_with_threads_that_was_killed_at_some_calls_is_resumed_to_the_same_end(
    fault: Fault, place: Place
) -> None:
    assert [str(point) for point in points(place, fault, SOME) if point.violations] == []


@each(KILLED_RUNNER)
def test_a_resumer_that_was_killed_at_some_calls_is_resumed_to_the_same_end(
    fault: Fault, half_done: Path, nursery: Nursery, tmp_path: Path
) -> None:
    tried = points(Place(nursery, tmp_path, "process", half_done), fault, SOME)

    assert [str(point) for point in tried if point.violations] == []


@pytest.mark.parametrize("pool", ["process"])
@each(KILLED_KEEPER)
def test_a_keeper_that_was_killed_at_any_call_is_replaced_and_the_run_goes_on(fault: Fault, place: Place) -> None:
    tried = list(points(place, fault))

    assert [str(point) for point in tried if point.violations] == []
    assert all(point.session.code == 0 for point in tried)


@pytest.mark.parametrize("pool", ["thread"])
@each(KILLED_KEEPER)
def test_a_thread_pool_whose_keeper_was_killed_at_any_call_says_so_and_is_resumed(fault: Fault, place: Place) -> None:
    for point in points(place, fault):
        assert point.violations == [], str(point)
        assert point.session.code == 0 or "keeper was killed by SIGKILL" in point.session.err


@BOTH_POOLS
@each(FAILING)
def test_a_call_that_fails_ends_the_session_with_a_sentence_and_loses_nothing(fault: Fault, place: Place) -> None:
    is_rare = fault.calls == CLONES or (fault.calls == "fdatasync" and place.pool == "process")
    is_slow = fault.calls == "fcntl"  # SQLite tries again for ten seconds
    for point in points(place, fault, None if is_rare else A_FEW if is_slow else SOME):
        assert point.violations == [], str(point)
        assert point.session.code == 0 or A_SENTENCE.fullmatch(point.session.err), point.session.err


@pytest.mark.parametrize("pool", ["process"])
@each(REFUSED)
def test_what_the_box_refuses_at_some_calls_ends_in_order_and_loses_nothing(fault: Fault, place: Place) -> None:
    for point in points(place, fault, A_FEW):
        assert point.violations == [], str(point)
        assert point.session.code == 0 or A_SENTENCE.fullmatch(point.session.err), point.session.err


def test_a_session_to_which_nothing_happens_has_no_violations(nursery: Nursery, tmp_path: Path) -> None:
    session = suite.start(nursery, tmp_path, "process").wait()

    assert session.code == 0, session.err
    assert list(violations(tmp_path, [session])) == []
