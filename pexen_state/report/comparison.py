"""Two runs side by side: what is different, in the words that people are shown, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pexen_state.journal.asking.by_fact import OfValue
from pexen_state.journal.asking.comparing import Change, Difference, Kind, Result
from pexen_state.report.style import Style, count, duration, verdict_words, when
from pexen_state.report.text import safe

_NONE = "not there"


def difference_lines(found: Difference, style: Style) -> Iterator[str]:
    yield style.strong(f"{_run(found.before)} -> {_run(found.after)}")
    if found.before["name"] != found.after["name"]:
        yield "  these are runs of two suites"
    for run, without in zip((found.before, found.after), found.without, strict=True):
        if without:
            yield f"  run {run['id']} is {run['state']}: {without} of its {count(run['tasks'], 'task')} have no verdict"
    if found.is_partial:
        yield f"  run {found.after['id']} runs tasks of run {found.after['parent']} again: only those are compared"
    for kind, changes in found.changes.items():
        if changes:
            yield ""
            yield style.strong(f"{kind.value}: {len(changes)}")
            yield from _changes(kind, changes)
    yield ""
    yield _summary(found)


def difference_document(found: Difference) -> dict[str, Any]:
    """The fields of the JSON document."""
    return {
        "before": found.before,
        "after": found.after,
        "worse": found.is_worse,
        "same": found.same,
        "still_bad": found.still_bad,
        "counts": {kind.word: len(changes) for kind, changes in found.changes.items()},
        "changes": {
            kind.word: [
                {"task": one.task, "before": _fields(one.before), "after": _fields(one.after)} for one in changes
            ]
            for kind, changes in found.changes.items()
        },
    }


def by_fact_lines(fact: str, values: Sequence[OfValue], found: Sequence[Difference], style: Style) -> Iterator[str]:
    """`values`: that of the newest run first, then those that it is compared with, each `found` one after the other."""
    if not values:
        yield f"no run of this suite has come to its end by itself: nothing can be compared by {fact}"
        return
    if not found:
        runs = "its only run" if values[0].runs == 1 else f"all of its {values[0].runs} runs"
        yield f"{fact} is {_value(values[0])} in {runs}: there is nothing to compare"
        return
    for one in values:
        yield f"{fact} {_value(one)}: run {one.run}{f', the newest of {one.runs}' if one.runs > 1 else ''}"
    for other, difference in zip(values[1:], found, strict=True):
        yield ""
        yield style.strong(f"{fact}: {_value(other)} -> {_value(values[0])}")
        yield from difference_lines(difference, style)


def by_fact_document(fact: str, values: Sequence[OfValue], found: Sequence[Difference]) -> dict[str, Any]:
    """The fields of the JSON document."""
    return {
        "fact": fact,
        "values": [one._asdict() for one in values],
        "differences": [difference_document(difference) for difference in found],
    }


def _value(one: OfValue) -> str:
    if one.value is None:
        return "not known"
    if isinstance(one.value, list):
        return safe(", ".join(map(str, one.value)))
    return safe(str(one.value).lower() if isinstance(one.value, bool) else str(one.value))


def _run(run: dict[str, Any]) -> str:
    return f"run {run['id']} ({safe(str(run['name']))}, {when(run['started_at'])})"


def _summary(found: Difference) -> str:
    told = [f"{len(changes)} {kind.value}" for kind, changes in found.changes.items() if changes]
    also = f", {found.still_bad} of them failed in both" if found.still_bad else ""
    as_before = f"{count(found.same, 'task')} as before{also}"
    return f"{', '.join(told)}; {as_before}" if told else f"no difference: {as_before}"


def _changes(kind: Kind, changes: list[Change]) -> Iterator[str]:
    for task, before, after in changes:
        how = f"{_word(before)} -> {_word(after)}"
        if kind is Kind.SLOWER:
            how = f"{_seconds(before)} -> {_seconds(after)}"
        elif kind is Kind.FLAKY and after is not None:
            how = f"{_word(after)} in {after.attempts} attempts"
        why = after.reason if after is not None and kind not in (Kind.SLOWER, Kind.FLAKY) else None
        yield f"  {safe(task)}  {how}{f'  {safe(why)}' if why else ''}"


def _word(result: Result | None) -> str:
    if result is None:
        return _NONE
    return verdict_words(result.verdict or result.state)


def _seconds(result: Result | None) -> str:
    return duration(result.seconds) if result is not None and result.seconds is not None else "-"


def _fields(result: Result | None) -> dict[str, Any] | None:
    if result is None:
        return None
    fields = result._asdict()
    del fields["task"]
    return fields
