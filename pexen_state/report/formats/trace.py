"""A run as a trace in Chrome's format, which Perfetto and about:tracing open: workers are threads, attempts are slices.

What waits for a lock is a slice of its own, in a second process. Reboots are instants over all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pexen_state.report.formats.around import Around, around
from pexen_state.report.formats.lanes import Lanes, lanes
from pexen_state.report.formats.waits import waits
from pexen_state.report.formats.whole import Whole
from pexen_state.report.text import safe_json

# Numbers of processes and threads, of which none is 0: that is the idle thread to those who know Linux. The thread that
# has the number of its process is its main one.
_RUN, _LOCKS = 1, 2
_FIRST_WORKER = 3


def lines(whole: Whole) -> Iterator[str]:
    return drawn(whole, around(whole, with_past=False))


def drawn(whole: Whole, around: Around) -> Iterator[str]:
    """One JSON object, an event on each line."""
    run = whole.run
    about = {name: run[name] for name in ("id", "uuid", "name", "host", "kernel", "started_at", "state", "verdict")}
    found = lanes(whole)
    ran = {one.task.place for one in found.slices}
    about["never_ran"] = {task.key: task.verdict or "unfinished" for task in whole.tasks if task.place not in ran}
    yield f'{{"displayTimeUnit":"ms","otherData":{_json(about)},"traceEvents":[\n'
    separator = ""
    for event in _events(whole, around, found):
        yield f"{separator}{_json(event)}"
        separator = ",\n"
    yield "\n]}\n"


def _events(whole: Whole, around: Around, found: Lanes) -> Iterator[dict[str, Any]]:
    yield _name("process_name", _RUN, f"run {whole.run['id']}: {whole.run['name']}")
    yield from _thread("runner", _RUN)
    threads = {worker: thread for thread, worker in enumerate(found.workers, _FIRST_WORKER)}
    for worker, thread in threads.items():
        yield from _thread(f"worker {worker}" if worker >= 0 else f"unknown worker {-worker}", thread)
    yield from _sessions(found)
    for one in found.slices:
        attempt = one.attempt
        said = {"attempt": attempt["attempt"], "state": attempt["state"], "cause": attempt["cause"]}
        said |= {"verdict": one.task.verdict, "exit_code": attempt["exit_code"], "signal": attempt["signal"]}
        if one.task.reason:
            said["reason"] = one.task.reason
        yield {
            "ph": "X",
            "name": one.task.key,
            "cat": "task",
            "pid": _RUN,
            "tid": threads[one.worker],
            "ts": _us(one.begin),
            "dur": _us(one.end) - _us(one.begin),
            "args": {name: value for name, value in said.items() if value is not None},
        }
    for number, wait in enumerate(waits(found, around.specs), 1):
        if number == 1:
            yield _name("process_name", _LOCKS, "waiting for locks")
        # Many wait at once: asynchronous slices may overlap, those of a thread may not.
        base = {"name": f"{wait.task} waits for {wait.lock}", "cat": "lock", "pid": _LOCKS, "tid": _LOCKS, "id": number}
        args = {"task": wait.task, "lock": wait.lock, "held_by": wait.holder}
        yield {"ph": "b", **base, "ts": _us(wait.begin), "args": args}
        yield {"ph": "e", **base, "ts": _us(wait.end)}


def _sessions(found: Lanes) -> Iterator[dict[str, Any]]:
    for one in found.sessions:
        if one.gap or one.is_boot:
            name = "reboot" if one.is_boot else "interrupted"
            args = {"why": one.why, "seconds": round(one.gap, 6)}
            where = {"pid": _RUN, "tid": _RUN, "ts": _us(one.begin - one.gap)}
            yield {"ph": "i", "s": "g", "name": name, "cat": "session", **where, "args": args}
        about = {name: one.about[name] for name in ("id", "boot_id", "kernel", "how_ended")}
        yield {
            "ph": "X",
            "name": f"session {one.about['id']}",
            "cat": "session",
            "pid": _RUN,
            "tid": _RUN,
            "ts": _us(one.begin),
            "dur": _us(one.end) - _us(one.begin),
            "args": about,
        }


def _thread(name: str, thread: int) -> Iterator[dict[str, Any]]:
    """Its name, and its place: by their names, worker 10 would come before worker 2."""
    yield _name("thread_name", _RUN, name, thread)
    yield _metadata("thread_sort_index", _RUN, thread, sort_index=thread)


def _name(kind: str, process: int, name: str, thread: int | None = None) -> dict[str, Any]:
    return _metadata(kind, process, process if thread is None else thread, name=name)


def _metadata(kind: str, process: int, thread: int, **args: object) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": args}


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def _json(value: object) -> str:
    return safe_json(json.dumps(value, separators=(",", ":")))
