"""Runs that were never run, as a journal would tell of them, and pages as a parser that corrects nothing reads them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pexen_state.core.spec import TaskSpec
from pexen_state.report.formats.around import Around
from pexen_state.report.formats.html import page
from pexen_state.report.formats.whole import Task, Whole

START = 1_700_000_000


def at(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(START + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def session(
    number: int, begin: float, seconds: float, boot: str = "one", how: str | None = "finished"
) -> dict[str, Any]:
    return {
        "id": number,
        "boot_id": boot,
        "kernel": "6.1",
        "started_at": at(begin),
        "ended_at": at(begin + seconds),
        "seconds": seconds,
        "how_ended": how,
    }


def attempt(
    nth: int, begin: float, seconds: float, session: int = 1, worker: int | None = 0, **more: Any
) -> dict[str, Any]:
    found = {"attempt": nth, "session": session, "worker": worker, "started_at": at(begin), "seconds": seconds}
    found |= {"ended_at": at(begin + seconds), "state": "succeeded", "cause": "returned", "exit_code": 0}
    return found | {"signal": None, "output": None} | more


def task(
    number: int, key: str, verdict: str | None = "pass", attempts: Sequence[dict[str, Any]] = (), **more: Any
) -> Task:
    state = {"pass": "succeeded", "not_run": "skipped"}.get(str(verdict), "failed")
    about = {"run": 1, "task": key, "number": number, "verdict": verdict, "state": state, "flaky": 0, "reason": None}
    about |= {"seconds": attempts[-1]["seconds"] if attempts else None, "attempts": len(attempts)}
    return Task(about | more, list(attempts))


def whole(
    tasks: Iterable[Task], directory: Path, sessions: Sequence[dict[str, Any]] = (), name: str = "suite"
) -> Whole:
    run = {"id": 1, "uuid": "u", "name": name, "host": "box", "kernel": "6.1", "target": name, "params": None}
    run |= {"state": "finished", "verdict": "pass", "seconds": 1.0, "started_at": at(0), "ended_at": at(1)}
    run |= {"sessions": len(sessions) or 1, "reboots": 0, "parent": None}
    return Whole([run], list(sessions) or [session(1, 0, 1)], list(tasks), str(directory / "journal.db"))


def around(found: Whole, **specs: dict[str, Any]) -> Around:
    """`specs`: what a task is, by its key."""
    known = {one.place: TaskSpec(one.key, **specs.get(one.key, {})) for one in found.tasks}
    return Around(known, [found.run], {}, [])


def written(found: Whole, beside: Around | None = None) -> str:
    return "".join(page.drawn(found, beside or around(found), found.directory))


def parsed(said: str) -> ElementTree.Element:
    """As XML, which takes nothing for markup that was not meant so."""
    return ElementTree.fromstring(said.encode())


def words(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


def with_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [one for one in root.iter() if name in (one.get("class") or "").split()]
