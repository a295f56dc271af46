"""What became of a run, in the lines that stand at its end: counts, names, what did not run and why, what to type next.

From plain values. Thousands of tasks may have failed, and thousands may not have run for one reason: both are cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pexen_state.core.states import Verdict
from pexen_state.report.display import Ended, Summary
from pexen_state.report.style import COUNTED, Style, count, duration, verdict_words
from pexen_state.report.text import safe

LISTED = 20  #: tasks, and reasons, that are named


def summary_lines(summary: Summary, command: str, style: Style) -> Iterator[str]:
    """`command` is what a person types for pexen and its journal."""
    final = [task for task in summary.ended if task.is_final]
    left = len(summary.ended) - len(final)
    bad = [task for task in final if task.verdict.is_bad]
    flaky = [task for task in final if task.is_flaky]
    warned = [task for task in final if task.verdict is Verdict.WARN and not task.is_flaky]
    not_run = [task for task in final if task.verdict is Verdict.NOT_RUN]
    said = list(_counted(final))
    if left:
        said.append(f"{left} left")
    yield (
        f"run {summary.run}: {count(len(summary.ended), 'task')}: {', '.join(said) or 'nothing'}; "
        f"in {duration(summary.seconds)}"
    )
    if summary.given_up:
        why = safe(summary.given_up)
        yield f"{why[:1].upper()}{why[1:]}."
    yield from _named(warned, style)
    yield from _named(flaky, style, "flaky")
    yield from not_run_lines(not_run, command, summary.given_up)
    yield from _named(bad, style)
    yield from _next(summary.run, left, bool(bad), bool(not_run), command)


def _counted(final: Sequence[Ended]) -> Iterator[str]:
    """`5 pass (1 flaky)`: numbers that add up to that of the tasks."""
    for word in COUNTED:
        those = [task for task in final if task.verdict.word == word]
        if those:
            flaky = sum(task.is_flaky for task in those)
            yield f"{len(those)} {verdict_words(word)}{f' ({flaky} flaky)' if flaky else ''}"


def _named(tasks: Sequence[Ended], style: Style, word: str = "") -> Iterator[str]:
    for task in tasks[:LISTED]:
        reason = f"  {safe(task.reason)}" if task.reason else ""
        yield f"  {style.word(word or task.verdict.word)} {safe(task.key)}{reason}"
    if len(tasks) > LISTED:
        yield f"  ... and {len(tasks) - LISTED} more"


def not_run_lines(not_run: Sequence[Ended], command: str, given_up: str | None = None) -> Iterator[str]:
    """`31 not run: lock '/proc/sys/net' is still held by net/sysctl (timeout). When it is clean: pexen rerun ...`

    Grouped by reason, the most tasks first; a few of them are named.
    """
    groups: dict[str, list[Ended]] = {}
    for task in not_run:
        groups.setdefault(task.reason or "nothing says why", []).append(task)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    for reason, tasks in ordered[:LISTED]:
        sentence = safe(reason) if reason != given_up else "the run was given up"
        if reason.startswith("lock "):
            sentence = f"{sentence.rstrip('.')}. When it is clean: {command} rerun --not-run"
        yield f"{len(tasks)} not run: {sentence}"
        yield f"    {_some(tasks)}"
    if len(ordered) > LISTED:
        rest = sum(len(tasks) for _, tasks in ordered[LISTED:])
        yield f"{rest} not run, for {count(len(ordered) - LISTED, 'other reason')}"


def _some(tasks: Sequence[Ended], number: int = 5) -> str:
    named = "  ".join(safe(task.key) for task in tasks[:number])
    return f"{named}  and {len(tasks) - number} more" if len(tasks) > number else named


def _next(run: int, left: int, failed: bool, not_run: bool, command: str) -> Iterator[str]:
    """What to type next."""
    if left:
        yield f"Go on with: {command} resume {run}"
    elif failed:
        yield f"Run them again: {command} rerun {run} --failed{' --not-run' if not_run else ''}"
        yield f"See what failed: {command} logs {run} --failed"
    elif not_run:
        yield f"Run what did not run: {command} rerun {run} --not-run"
        yield f"See all of it: {command} show {run}"
    else:
        yield f"See all of it: {command} show {run}"
