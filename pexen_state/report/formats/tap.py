"""TAP 14: a point for each task, with a subtest for those that reported about their parts.

What did not run is a point with SKIP, and what has not ended is not ok. Who reads TAP 13 sees the same points.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pexen_state.report.formats.whole import Task, Whole
from pexen_state.report.merged import merged_in_words
from pexen_state.report.text import safe, safe_json

_DIRECTIVE = re.compile(r"(#\s*)(?=skip|todo)", re.IGNORECASE)

_OK = frozenset({"pass", "info", "warn", "skip", "not_run"})
_SKIPPED = frozenset({"skip", "not_run"})


def lines(whole: Whole) -> Iterator[str]:
    yield "TAP version 14\n"
    yield f"1..{len(whole.tasks)}\n" if whole.tasks else "1..0 # SKIP the run has no tasks\n"
    merged = merged_in_words(whole.runs)
    if merged is not None:
        yield f"# {merged}\n"
    for number, task in enumerate(whole.tasks, 1):
        if task.parts:
            yield f"    # Subtest: {_words(task.key)}\n"
            yield f"    1..{len(task.parts)}\n"
            for place, part in enumerate(task.parts, 1):
                yield f"    {_point(place, part['name'], part['verdict'], part['note'] or '')}"
        yield _point(number, task.key, task.verdict, task.reason)
        yield from _diagnosis(task, merged is not None)


def _point(number: int, name: str, verdict: str | None, reason: str) -> str:
    is_ok = "ok" if verdict in _OK else "not ok"
    directive = f" # SKIP {_words(reason or verdict or '')}" if verdict in _SKIPPED else ""
    return f"{is_ok} {number} - {_words(name)}{directive}\n"


def _diagnosis(task: Task, is_merged: bool) -> Iterator[str]:
    said: dict[str, Any] = {"verdict": task.verdict, "seconds": task.seconds}
    if is_merged:
        said["run"] = task.run
    if task.reason:
        said["reason"] = task.reason
    if len(task.attempts) > 1:
        said["attempts"] = len(task.attempts)
    if task.usage is not None:
        said |= task.usage["metrics"]
    yield "  ---\n"
    for name, value in said.items():
        yield f"  {name}: {safe_json(json.dumps(value))}\n"  # all that JSON writes is YAML
    yield "  ...\n"


def _words(text: str) -> str:
    """On one line, with nothing that is a directive, not even to a reader that knows no escapes."""
    return _DIRECTIVE.sub(r"\1\\", safe(text).replace("\\", "\\\\").replace("#", "\\#"))
