"""The trace: workers as threads, attempts as slices, who waited for which lock, reboots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.report.formats import trace
from pexen_state.report.formats.around import Around
from pexen_state.report.formats.whole import Whole
from tests.report.pages import around, at, attempt, session, task, whole


def events(found: Whole, beside: Around | None = None) -> list[dict[str, Any]]:
    document = json.loads("".join(trace.drawn(found, beside or around(found))))
    listed: list[dict[str, Any]] = document["traceEvents"]
    return listed


def waits(found: Whole, beside: Around) -> list[tuple[str, str, float, float]]:
    """Who waited for whom, from when to when."""
    begun = {one["id"]: one for one in events(found, beside) if one["ph"] == "b"}
    ended = {one["id"]: one["ts"] for one in events(found, beside) if one["ph"] == "e"}
    assert set(begun) == set(ended)
    return [
        (one["args"]["task"], one["args"]["held_by"], one["ts"] / 1e6, ended[number] / 1e6)
        for number, one in begun.items()
    ]


def test_workers_are_threads_and_attempts_are_slices_that_do_not_overlap(tmp_path: Path):
    one = task(1, "one", "pass", [attempt(1, 0, 1, state="failed"), attempt(2, 0.99, 1)])
    two = task(2, "two", "fail", [attempt(1, 0.5, 1, worker=1)], reason="exit 1")

    found = events(whole([one, two], tmp_path, [session(1, 0, 3)]))

    threads = {event["tid"]: event["args"]["name"] for event in found if event["name"] == "thread_name"}
    assert list(threads.values()) == ["runner", "worker 0", "worker 1"]
    slices = [event for event in found if event.get("cat") == "task"]
    assert [(threads[each["tid"]], each["name"], each["ts"], each["dur"]) for each in slices] == [
        ("worker 0", "one", 0, 1_000_000),
        ("worker 1", "two", 500_000, 1_000_000),
        ("worker 0", "one", 1_000_000, 990_000),
    ]
    assert slices[1]["args"]["reason"] == "exit 1"


def test_what_ran_at_once_on_workers_that_nobody_knows_does_not_overlap_on_a_thread(tmp_path: Path):
    tasks = [
        task(1, "one", "pass", [attempt(1, 0, 2, worker=None)]),
        task(2, "two", "pass", [attempt(1, 1, 2, worker=None)]),
        task(3, "three", "pass", [attempt(1, 2.5, 1, worker=None)]),
        task(4, "known", "pass", [attempt(1, 0, 4, worker=10)]),
        task(5, "also", "pass", [attempt(1, 0, 4, worker=2)]),
    ]

    found = events(whole(tasks, tmp_path, [session(1, 0, 4)]))

    threads = {event["tid"]: event["args"]["name"] for event in found if event["name"] == "thread_name"}
    assert list(threads.values()) == ["runner", "worker 2", "worker 10", "unknown worker 1", "unknown worker 2"]
    order = {event["tid"]: event["args"]["sort_index"] for event in found if event["name"] == "thread_sort_index"}
    assert sorted(threads, key=order.__getitem__) == list(threads)
    where = {event["name"]: threads[event["tid"]] for event in found if event.get("cat") == "task"}
    assert where["one"] == where["three"] == "unknown worker 1"
    assert where["two"] == "unknown worker 2"


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 3), st.floats(0, 50), st.floats(0, 20), st.booleans()), max_size=12)
)
def test_the_trace_is_as_the_format_says_whatever_ran_when(ran: list[tuple[int | None, float, float, bool]]):
    tasks = [
        task(number, f"t{number}", "pass", [attempt(1, begin + 100 * second, took, 1 + second, worker=worker)])
        for number, (worker, begin, took, second) in enumerate(ran, 1)
    ]
    sessions = [session(1, 0, 70, how="crashed"), session(2, 100, 70, boot="two")]

    found = events(whole(tasks, Path("/nowhere"), sessions))

    named = {(one["pid"], one["tid"]) for one in found if one["name"] == "thread_name"}
    ends: dict[tuple[int, int], int] = {}
    for one in sorted((one for one in found if one["ph"] == "X"), key=lambda one: one["ts"]):
        thread = one["pid"], one["tid"]
        assert thread in named
        assert one["pid"] > 0 < one["tid"]
        assert type(one["ts"]) is type(one["dur"]) is int
        assert one["ts"] >= ends.get(thread, 0), "slices of a thread may not overlap"
        ends[thread] = one["ts"] + one["dur"]
    assert {one["ph"] for one in found} <= {"M", "X", "i"}
    assert all(one["s"] == "g" for one in found if one["ph"] == "i")


def test_a_reboot_is_an_instant(tmp_path: Path):
    tasks = [task(1, "one", "pass", [attempt(1, 0, 1), attempt(2, 100, 1, session=2)])]
    sessions = [session(1, 0, 1, how="rebooted"), session(2, 100, 1, boot="two"), session(3, 200, 1, boot="two")]

    found = [event for event in events(whole(tasks, tmp_path, sessions)) if event["ph"] == "i"]

    assert [(one["name"], one["ts"], one["args"]["seconds"]) for one in found] == [
        ("reboot", 1_000_000, 99.0),
        ("interrupted", 101_000_000, 99.0),
    ]


def test_what_was_cut_off_with_the_box_ended_then_though_it_was_told_after_the_boot(tmp_path: Path):
    lost = attempt(1, 1, 0, state="lost", ended_at=at(5000)) | {"seconds": None}
    tasks = [task(1, "one", "pass", [lost, attempt(2, 5001, 1, session=2)])]
    sessions = [session(1, 0, 3, how="crashed"), session(2, 5000, 2, boot="two")]

    found = [one for one in events(whole(tasks, tmp_path, sessions)) if one.get("cat") == "task"]

    assert [(one["ts"], one["dur"]) for one in found] == [(1_000_000, 2_000_000), (5_001_000_000, 1_000_000)]


def test_who_waited_for_a_lock_is_told_from_when_nothing_else_was_missing(tmp_path: Path):
    tasks = [
        task(1, "setup", "pass", [attempt(1, 0, 1)]),
        task(2, "first", "pass", [attempt(1, 1, 4)]),
        task(3, "second", "pass", [attempt(1, 5, 2)]),
        task(4, "reader", "pass", [attempt(1, 7, 1)]),
        task(5, "other reader", "pass", [attempt(1, 7, 1, worker=1)]),
        task(6, "elsewhere", "pass", [attempt(1, 2, 1, worker=1)]),
    ]
    found = whole(tasks, tmp_path, [session(1, 0, 10)])
    beside = around(
        found,
        **{
            "setup": {"provides": ("db",)},
            "first": {"claims": ("/disk",)},
            "second": {"claims": ("/disk/a",), "requires": ("db",)},
            "reader": {"uses": ("/disk",)},
            "other reader": {"uses": ("/disk",)},
            "elsewhere": {"claims": ("/net",)},
        },
    )

    assert waits(found, beside) == [
        ("second", "first", 1.0, 5.0),
        ("reader", "second", 0.0, 7.0),
        ("other reader", "second", 0.0, 7.0),
    ]


def test_a_lock_that_was_free_before_all_else_was_there_kept_nobody(tmp_path: Path):
    tasks = [
        task(1, "holder", "pass", [attempt(1, 0, 1)]),
        task(2, "setup", "pass", [attempt(1, 1, 4)]),
        task(3, "late", "pass", [attempt(1, 5, 1)]),
    ]
    found = whole(tasks, tmp_path, [session(1, 0, 6)])
    beside = around(found, holder={"claims": ("a",)}, late={"claims": ("a",), "after": ("set*",)})

    assert waits(found, beside) == []
