"""Tasks over many runs, in the words that people are shown: a history, unsteady tasks, slow tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from pexen_state.journal.asking.past import History, Slow, Streak, Unsteady, letter
from pexen_state.report.style import Style, count, duration, verdict_words, when
from pexen_state.report.tables import table
from pexen_state.report.text import safe

LETTERS = 20  #: verdicts in a line

T = TypeVar("T")


def history_lines(found: History, style: Style, width: int | None = None) -> Iterator[str]:
    yield style.strong(safe(found.task)) + f": {streak_words(found.streak)}"
    suites = {one.suite for one in found.runs}
    columns = ["run", "suite", "when", "verdict", "attempts", "took", "reason"]
    rows: list[list[object]] = [
        [
            one.run,
            one.suite,
            when(one.at),
            verdict_words(one.verdict or one.state) + (", flaky" if one.flaky else ""),
            one.attempts,
            duration(one.seconds) if one.seconds is not None else "",
            one.reason,
        ]
        for one in found.runs
    ]
    if len(suites) == 1:
        columns, rows = _without(columns, 1), [_without(row, 1) for row in rows]
    yield from table(columns, rows, width)
    newest = [(one.verdict, one.flaky) for one in found.runs[:LETTERS]][::-1]
    yield f"newest {len(newest):>2}  {''.join(letter(*one) for one in newest)}  oldest first: {_legend(newest)}"
    if found.spread is not None:
        one = found.spread
        yield (
            f"usually    {duration(one.median)}, from {duration(one.least)} to {duration(one.most)}"
            f" in {count(one.runs, 'run')}"
        )


def streak_words(streak: Streak | None) -> str:
    """`fails since run 9, after 4 passes`."""
    if streak is None:
        return "it never passed or failed"
    does, others = ("fails", "pass") if streak.is_bad else ("passes", "failure")
    if not streak.before:
        did = "failed" if streak.is_bad else "passed"
        return f"{did} in {'its only run' if streak.runs == 1 else f'all of its {streak.runs} runs'}"
    before = f"{streak.before} {others}{'' if streak.before == 1 else 'es' if streak.is_bad else 's'}"
    return f"{does} since run {streak.since}, after {before}"


def unsteady_lines(found: Sequence[Unsteady], width: int | None = None) -> Iterator[str]:
    columns = ("task", "suite", "score", "runs", "flaky", "changes", "last in run", "when", "verdicts")
    rows = [
        (
            one.task,
            one.suite,
            f"{one.score:.2f}",
            one.runs,
            one.flaky,
            one.changes,
            one.last_run,
            when(one.last_at),
            one.verdicts[-LETTERS:],
        )
        for one in found
    ]
    yield from table(columns, rows, width)
    yield (
        "score: share of the runs in which it passed after a failed attempt (flaky), or passed and failed by turns "
        "(changes)"
    )


def slow_lines(found: Sequence[Slow], width: int | None = None) -> Iterator[str]:
    in_one_run = any(one.attempts is not None for one in found)
    columns = ["task", "took" if in_one_run else "usually", "share", *(["attempts"] if in_one_run else [])]
    rows = [
        [one.task, f"{duration(one.seconds):>7}", f"{100 * one.share:5.1f} %", *([one.attempts] if in_one_run else [])]
        for one in found
    ]
    return table(columns, rows, width)


def _without(row: list[T], at: int) -> list[T]:
    return row[:at] + row[at + 1 :]


def _legend(verdicts: Sequence[tuple[str | None, bool]]) -> str:
    told = {
        letter(verdict, flaky): verdict_words(verdict or "not ended") + (" in a later attempt" if flaky else "")
        for verdict, flaky in verdicts
    }
    return ", ".join(f"{one} {words}" for one, words in sorted(told.items()))
