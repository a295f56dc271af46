"""Markdown, for a comment on a change, or for the summary of a job: counts first, then what is wrong, then the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pexen_state.report.formats.whole import Task, Whole
from pexen_state.report.merged import merged_in_words
from pexen_state.report.style import took
from pexen_state.report.text import cut, safe, tail

_BAD = ("crash", "timeout", "error", "fail")
_ORDER = (*_BAD, "warn", "not_run", "skip", "pass", "info", None)
_MEANS_SOMETHING = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@])")

#: What GitHub and GitLab make a mention or a reference of, once the escapes are read: only another node between helps.
_REFERS = re.compile(r"(\\[@#])(?=\w)")

#: Those that are well are counted, and more than this are not listed.
MOST_ROWS = 1000


def lines(whole: Whole) -> Iterator[str]:
    run = whole.run
    counts = Counter(task.verdict for task in whole.tasks)
    said = ", ".join(f"{counts[verdict]} {_word(verdict)}" for verdict in _ORDER if counts[verdict])
    yield f"## {_plain(run['name'])}: run {run['id']}\n\n"
    yield f"{len(whole.tasks)} tasks: {said or 'none'}; in {took(whole.seconds).strip()}"
    yield f", on {_plain(run['host'] or '')}, kernel {_plain(run['kernel'] or '')}.\n\n"
    if (merged := merged_in_words(whole.runs)) is not None:
        yield f"These are {merged}.\n\n"
    bad = [task for task in whole.tasks if task.verdict in _BAD]
    for task in sorted(bad, key=lambda task: _ORDER.index(task.verdict)):
        yield from _failure(whole, task)
    if whole.tasks:
        yield "| verdict | task | took | reason |\n|---|---|---|---|\n"
        for task in sorted(whole.tasks, key=lambda task: _ORDER.index(task.verdict))[:MOST_ROWS]:
            notes = ", flaky" if task.about["flaky"] else ""
            notes += f", run {task.run}" if merged is not None else ""
            yield (
                f"| {_word(task.verdict)}{notes} | {_plain(task.key)} | {took(task.about['seconds']).strip()} "
                f"| {_plain(cut(task.reason, 200))} |\n"
            )
        if len(whole.tasks) > MOST_ROWS:
            yield f"\n{len(whole.tasks) - MOST_ROWS} more are not listed.\n"


def _failure(whole: Whole, task: Task) -> Iterator[str]:
    yield f"### {_word(task.verdict)}: {_plain(task.key)}\n\n"
    if task.reason:
        yield f"{_plain(task.reason)}\n\n"
    for part in task.parts:
        if part["verdict"] in (*_BAD, "warn"):
            yield f"* {part['verdict']}: {_plain(part['name'])} {_plain(cut(part['note'] or '', 300))}\n"
    printed = tail(whole.output(task))
    if printed:
        fence = "`" * max(3, 1 + max((len(run) for line in printed for run in re.findall("`+", line)), default=0))
        yield "".join([f"\n{fence}text\n", *(f"{line}\n" for line in printed), f"{fence}\n"])
    yield "\n"


def _word(verdict: str | None) -> str:
    return "unfinished" if verdict is None else verdict.replace("_", " ")


def _plain(text: object) -> str:
    """Text that stays text: nothing in it is a link, a mention, a table or HTML."""
    return _REFERS.sub(r"\1<!-- -->", _MEANS_SOMETHING.sub(r"\\\1", safe(str(text))))
