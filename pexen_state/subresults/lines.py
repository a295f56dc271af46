"""Lines of PEXEN_RESULTS: one JSON object for each result.

    {"name": "sub/one", "verdict": "warn", "note": "...", "partial": true, "files": ["a.log"], "metrics": {"mb_s": 4.5}}

A partial result stands until another one of the same name is reported; other names may repeat. Who reads JSON lines
knows more keys tomorrow than today: those that are not known are left alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pexen_state.core.states import Verdict
from pexen_state.journal.records import SubResult
from pexen_state.words import did_you_mean

#: What may be reported, by its word.
VERDICTS = {
    verdict.word: verdict
    for verdict in (
        Verdict.SKIP,
        Verdict.INFO,
        Verdict.PASS,
        Verdict.WARN,
        Verdict.FAIL,
        Verdict.ERROR,
        Verdict.TIMEOUT,
        Verdict.CRASH,
    )
}

LONGEST_NAME = 1000
LONGEST_NOTE = 16_000
_MOST_METRICS = 1000
_SHOWN = 3  # lines that could not be read
_LONGEST_SHOWN = 200


class Line(NamedTuple):
    """One that could be read. `files` are as they were named."""

    result: SubResult
    is_partial: bool


def parsed(line: str) -> Line:
    """Raises ValueError, whose message is what is wrong."""
    try:
        said = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON ({error})") from None
    if type(said) is not dict:
        raise ValueError("it is no object, {...}")
    name, note, partial = said.get("name"), said.get("note"), said.get("partial", False)
    if type(name) is not str or not name:
        raise ValueError("it has no name")
    if note is not None and type(note) is not str:
        raise ValueError("its note is no text")
    if type(partial) is not bool:
        raise ValueError("partial is true or false")
    verdict, files, metrics = verdict_of(said.get("verdict")), _files(said.get("files")), _metrics(said.get("metrics"))
    return Line(SubResult(cut(name, LONGEST_NAME), verdict, note and cut(note, LONGEST_NOTE), metrics, files), partial)


def verdict_of(word: object) -> Verdict:
    """`PASS` is as good as `pass`. Raises ValueError."""
    if type(word) is str and (verdict := VERDICTS.get(word.lower())) is not None:
        return verdict
    hint = did_you_mean(word, VERDICTS) if type(word) is str else ""
    raise ValueError(f"{word!r} is no verdict.{hint} There are: {' '.join(VERDICTS)}")


def standing(lines: Iterable[Line]) -> list[SubResult]:
    """Without partial results that others have taken the place of."""
    found: list[SubResult | None] = []
    partial: dict[str, int] = {}
    for result, is_partial in lines:
        before = partial.pop(result.name, None)
        if before is not None:
            found[before] = None
        if is_partial:
            partial[result.name] = len(found)
        found.append(result)
    return [one for one in found if one is not None]


def unread(wrong: Mapping[int, tuple[str, str]], count: int) -> SubResult:
    """All lines that could not be read, as one warning. `wrong` are some of them: number -> (text, why)."""
    shown = [f"line {number}: {why}: {cut(text, _LONGEST_SHOWN)}" for number, (text, why) in wrong.items()]
    more = f"\n... and {count - len(shown[:_SHOWN])} more" if count > _SHOWN else ""
    lines = "1 line" if count == 1 else f"{count} lines"
    return SubResult("PEXEN_RESULTS", Verdict.WARN, f"{lines} could not be read\n" + "\n".join(shown[:_SHOWN]) + more)


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _files(said: object) -> tuple[str, ...]:
    if said is None:
        return ()
    if type(said) is not list or not all(type(one) is str and one and "\0" not in one for one in said):
        raise ValueError("files is a list of their names")
    return tuple(said)


def _metrics(said: object) -> dict[str, float] | None:
    if said is None:
        return None
    if type(said) is not dict or len(said) > _MOST_METRICS:
        raise ValueError(f"metrics is an object of names and numbers, at most {_MOST_METRICS}")
    for name, value in said.items():
        if type(value) not in (int, float) or not _is_finite(value):
            raise ValueError(f"the metric {name!r} is no number, or one that is too large")
    return dict(said) or None


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float holds
        return False
