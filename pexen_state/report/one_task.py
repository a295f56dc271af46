"""One task of a run on one page: where it stands, what it needed and had, its attempts, and how it came there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pexen_state.core.deps import Gate
from pexen_state.core.lock_names import lock_text
from pexen_state.core.plan import Plan
from pexen_state.report.endings import attempt_in_words
from pexen_state.report.style import Style, count, took, verdict_words, when
from pexen_state.report.text import cut, safe, safe_lines

Found = dict[str, Any]

_NAMED = 10
_LINES = 20  #: of what was said of a part


def needs_of(plan: Plan, number: int) -> dict[str, Any]:
    """What the task requires and who provided it, what it provides, and its locks."""
    task = plan.tasks[number]
    waits = plan.deps[number]
    held = {lock_text(name) for name, holder, _ in plan.locks.held() if holder == number}

    def kept(gate: Gate) -> list[str]:
        return [plan.tasks[one].spec.key for one in gate.kept]

    return {
        "requires": [{"name": lock_text(gate.label), "provided_by": kept(gate)[:1]} for gate in waits.requires],
        "requires_all": [{"name": lock_text(gate.label), "provided_by": kept(gate)} for gate in waits.requires_all],
        "after": list(task.spec.after),
        "provides": [lock_text(name) for name in task.spec.provides],
        "provided": task.provided,
        "uses": [lock_text(request.lock.name) for request in task.requests if not request.write],
        "claims": [lock_text(request.lock.name) for request in task.requests if request.write],
        "held": sorted(held),
    }


def one_task(
    task: Found,
    needs: Found,
    attempts: Iterable[Found],
    results: Iterable[Found],
    story: Iterable[Found],
    is_running: bool,
    style: Style,
    artifacts: Callable[[int], str],
    suspicion: str | None = None,
) -> Iterator[str]:
    """`is_running`: somebody runs the run. `artifacts`: where the files of an attempt are, seen from the journal.
    `suspicion`: a sentence, if it may have crashed the box.
    """
    verdict = f", verdict {verdict_words(task['verdict'])}" if task["verdict"] else ""
    yield style.strong(f"{safe(task['task'])}  {_state(task, is_running)}{verdict}{', flaky' if task['flaky'] else ''}")
    if task["reason"]:
        yield f"  reason    {safe(task['reason'])}"
    yield from _needs(task, needs)
    if suspicion is not None:
        yield f"  suspect   {safe(suspicion)}"
    parts: dict[int, list[Found]] = {}
    for result in results:
        parts.setdefault(result["attempt"], []).append(result)
    for attempt in attempts:
        took_ = f"  [{took(attempt['seconds']).strip()}]" if attempt["seconds"] is not None else ""
        yield f"  attempt {attempt['attempt']}: {safe(attempt_in_words(attempt, is_running))}{took_}"
        if attempt["reboot_count"]:
            yield f"    after   {count(attempt['reboot_count'], 'reboot')} that it asked for"
        if attempt["started_at"]:
            yield f"    started {when(attempt['started_at'])}  worker {attempt['worker']}  pid {attempt['pid']}"
        if attempt["output"]:
            yield f"    output  {safe(attempt['output'])}"
        for part in parts.get(attempt["attempt"], ()):
            yield from _part(part, artifacts(attempt["attempt"]), style)
    for step in story:
        reason = f"  {safe(step['reason'])}" if step["reason"] else ""
        yield f"  {when(step['at'])}  {step['old']} -> {step['new']}: {verdict_words(step['cause'])}{reason}"


def _part(part: Found, artifacts: str, style: Style) -> Iterator[str]:
    """What an attempt has reported about a part: as many lines as were said of it, at most some."""
    note = list(safe_lines((part["note"] or "").encode("utf-8", "backslashreplace")))
    metrics = "".join(f"  {safe(name)}={value:.15g}" for name, value in json.loads(part["metrics"] or "{}").items())
    head = f"  {cut(note[0])}" if note else ""
    yield f"    {style.word(verdict_words(part['verdict']))} {cut(safe(part['name']))}{head}{cut(metrics)}"
    yield from (f"            {cut(line)}" for line in note[1:_LINES])
    if len(note) > _LINES:
        yield f"            ... and {count(len(note) - _LINES, 'more line')}"
    for name in json.loads(part["files"] or "[]"):
        yield f"    file    {safe(f'{artifacts}/{name}')}"


def _state(task: Found, is_running: bool) -> str:
    if task["state"] in ("submitted", "running") and not is_running:
        return "cut off"
    if task["state"] == "rebooting":
        return "waits for a reboot"
    return str(task["state"]).replace("_", " ")


def _needs(task: Found, needs: Found) -> Iterator[str]:
    for word in ("requires", "requires_all"):
        for one in needs[word]:
            by = _listed(one["provided_by"])
            yield f"  requires  {safe(one['name'])}, {f'provided by {by}' if by else 'not provided'}"
    if needs["after"]:
        yield f"  after     {_listed(needs['after'])}"
    if needs["provides"]:
        kept = "" if needs["provided"] or not task["verdict"] else "; not kept"
        yield f"  provides  {_listed(needs['provides'])}{kept}"
    for word in ("uses", "claims"):
        for name in needs[word]:
            held = ""
            if name in needs["held"]:
                held = ", left held" if task["verdict"] else ", held"
            yield f"  {word:<8}  {safe(name)}{held}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(map(safe, names[:_NAMED]))}{more}"
