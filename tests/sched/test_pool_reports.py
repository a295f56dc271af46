"""What a pool reports to the loop, on both pools: how tasks ended, what they left, and when it is woken."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest

from pexen_state.core.states import Cause, Verdict
from pexen_state.journal.codec import Unrestorable
from pexen_state.sched.common import PoolError, TaskFailError
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from pexen_state.sched.pool.base import Context
from pexen_state.sched.pool.slots import begun_marks
from pexen_state.util import PexenError
from tests.sched.pools import (
    FOREVER,
    Began,
    Dropped,
    Ended,
    Job,
    Limits,
    jobs,
    opened,
    reports_until_all_ended,
    run,
    said,
    wait_until_begun,
)

pytestmark = pytest.mark.parametrize("kind", [ProcessWorkerPool, ThreadWorkerPool])


def greet():
    return "Hello World!"


def fail():
    raise ValueError("no such world")


def test_every_ending_is_told_apart(kind):
    def controlled():
        raise TaskFailError("known", deps_ok=False)

    def asserted():
        assert 1 == 2, "no"

    def leaves():
        raise SystemExit(3)

    def leaves_well():
        raise SystemExit

    def interrupted():
        raise KeyboardInterrupt

    bodies = [controlled, asserted, leaves, leaves_well, interrupted]
    with opened(bodies, kind) as pool:
        ends = run(pool, jobs(*bodies))

    assert ends[1].ending[:4] == (Cause.FAILED, Verdict.FAIL, False, True)
    assert said(ends[2])[:2] == (Cause.ASSERTED, Verdict.FAIL)
    assert said(ends[3]) == (Cause.RAISED, Verdict.ERROR, "SystemExit: 3")
    assert said(ends[4]) == (Cause.RETURNED, Verdict.PASS, None)
    assert said(ends[5]) == (Cause.RAISED, Verdict.ERROR, "KeyboardInterrupt")


def test_under_a_journal_results_come_as_it_keeps_them(kind):
    def change(shared):
        shared["names"] = ("a", "b")
        shared["list"].append(3)
        del shared["gone"]
        return {1, 2}

    with opened([change, fail], kind, journaled=True) as pool:
        ends = run(pool, [Job(1, 1, change, {"list": [1, 2], "gone": 0, "kept": True}), Job(2, 1, fail, {})])

    outcome = ends[1].outcome
    assert outcome.ret == {1, 2}
    assert json.loads(outcome.ret_json) == {"$set": [1, 2]}
    assert outcome.shared == {"list": [1, 2, 3], "kept": True, "names": ("a", "b")}
    assert json.loads(outcome.shared_json) == {
        "set": {"list": [1, 2, 3], "names": {"$tuple": ["a", "b"]}},
        "del": ["gone"],
    }
    assert ends[2].outcome.shared_json is None
    assert json.loads(ends[2].outcome.error_json)["class"] == "builtins:ValueError"


def test_under_a_journal_shared_that_it_cannot_keep_fails_the_task(kind):
    def share_a_function(shared):
        shared["fine"] = 1
        shared["hook"] = greet

    with opened([share_a_function], kind, journaled=True) as pool:
        report = run(pool, [Job(1, 1, share_a_function, {"old": [1]})])[1]

    assert said(report)[:2] == (Cause.RAISED, Verdict.ERROR)
    assert "shared['hook'] cannot be kept in the journal" in said(report)[2]
    assert isinstance(report.outcome.excinfo.val, PexenError)
    assert report.outcome.shared == {"old": [1]}


def test_under_a_journal_a_return_value_that_it_cannot_keep_is_kept_as_text(kind):
    def return_a_function():
        return greet

    with opened([return_a_function], kind, journaled=True) as pool:
        report = run(pool, jobs(return_a_function))[1]

    assert said(report)[:2] == (Cause.RETURNED, Verdict.PASS)
    assert json.loads(report.outcome.ret_json).keys() == {"$text"}
    if kind is ProcessWorkerPool:
        assert isinstance(report.outcome.ret, Unrestorable)
    else:
        assert report.outcome.ret is greet


def test_who_looks_for_an_exception_finds_one_if_a_task_was_ended(kind):
    gate = threading.Event()

    def wait():
        gate.wait()

    with opened([wait], kind, journaled=True) as pool:
        report = run(pool, jobs(wait, limits=Limits(timeout=0.05)))[1]
        gate.set()

    assert report.outcome.excinfo.type is PoolError
    assert str(report.outcome.excinfo.val).startswith("it was ended: over its time limit of 0.05 s")
    assert "over its time limit" in json.loads(report.outcome.error_json)["text"]


def test_watched_descriptors_are_reported(kind):
    reading, writing = os.pipe()
    with opened([greet], kind) as pool:
        pool.watch(reading)
        os.write(writing, b"x")
        assert [tuple(report) for report in pool.wait()] == [(reading,)]
        pool.unwatch(reading)
        assert pool.wait(time.monotonic()) == []
    os.close(reading)
    os.close(writing)


def test_waiting_ends_when_its_time_has_come(kind):
    gate = threading.Event()  # a process's copy is never set, and need not be

    def wait():
        gate.wait()

    with opened([wait], kind) as pool:
        pool.hand_over(jobs(wait))
        until = time.monotonic() + 0.1
        while pool.wait(until):
            pass
        assert time.monotonic() >= until
        gate.set()


def test_the_slot_file_says_what_was_begun(kind, tmp_path):
    path = str(tmp_path / "slots")
    context = Context("uuid-1", "greet", "uuid-1-1", 1, None, None)
    with opened([greet], kind, journaled=True, slots=path) as pool:
        run(pool, [Job(number, 3, greet, {}, context=context) for number in range(1, 6)])
        begun = begun_marks(path)

    assert begun is not None
    assert begun.run == "uuid-1"
    assert begun.begun == {(number, 3) for number in range(1, 6)}


def test_what_runs_can_be_stopped_and_what_waits_taken_back(kind):
    gate = threading.Event()

    def wait():
        gate.wait()

    with opened([wait, greet], kind) as pool:
        pool.hand_over([Job(1, 1, wait, {}), Job(2, 1, greet, {})])
        wait_until_begun(pool, 1)
        pool.withdraw()
        pool.kill(1, 1, Cause.STOPPED, grace=1)
        ends = {report.task: report for report in reports_until_all_ended(pool, 2)}
        gate.set()

    assert isinstance(ends[1], Dropped)
    assert isinstance(ends[2], Dropped)
    assert (ends[1].cause, ends[2].cause) == (Cause.STOPPED, Cause.WITHDRAWN)
    assert ends[1].surely_dead is (kind is ProcessWorkerPool)


def test_a_pool_is_a_guest_in_a_program_with_threads(kind):
    goes_on = threading.Event()
    stranger = threading.Thread(target=goes_on.wait)
    stranger.start()
    try:
        found = []

        def use():
            with opened([greet, fail], kind) as pool:
                found.extend(run(pool, jobs(greet, fail)).values())

        user = threading.Thread(target=use)
        user.start()
        user.join()
    finally:
        goes_on.set()
        stranger.join()

    assert {type(report) for report in found} == {Ended}


def test_who_has_enough_to_do_waits_for_several_ends_at_once(kind):
    with opened([greet], kind, workers=2) as pool:
        pool.hand_over(jobs(*[greet] * 20))
        reports = pool.wait(time.monotonic() + FOREVER, enough=15)
        while any(isinstance(report, Began) for report in reports):  # on a machine that is busy
            reports += pool.wait(time.monotonic() + FOREVER, enough=15 - len(reports))
            reports = [report for report in reports if not isinstance(report, Began)]

        assert len(reports) >= 15


def test_waiting_for_more_than_are_in_flight_ends_with_the_last(kind):
    with opened([greet], kind) as pool:
        pool.hand_over(jobs(greet, greet))
        found = []
        while len(found) < 2:
            found += pool.wait(time.monotonic() + FOREVER, enough=1000)

        assert pool.wait(time.monotonic()) == []


def test_anything_else_that_happens_ends_the_waiting_for_several_ends(kind):
    reading, writing = os.pipe()
    gate = threading.Event()

    def wait():
        gate.wait()

    with opened([wait], kind) as pool:
        pool.watch(reading)
        pool.hand_over(jobs(wait, wait))
        os.write(writing, b"x")
        seen = []
        while (reading,) not in seen:
            seen += [tuple(report) for report in pool.wait(time.monotonic() + FOREVER, enough=2)]
        pool.unwatch(reading)
        gate.set()
    os.close(reading)
    os.close(writing)
