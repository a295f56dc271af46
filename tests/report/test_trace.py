"""The trace: workers as threads, attempts as slices, who waited for which lock, reboots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
