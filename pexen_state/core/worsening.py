"""What results about its parts make of an attempt's end: they worsen it, and never improve it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.words import joined

_LONGEST = 200


class Part(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def note(self) -> str | None: ...


def worsened(ending: Ending, parts: Sequence[Part]) -> Ending:
    """The ending of an attempt that has reported these.

    Who returned, and reported a failure, has failed. Who returned, and reported nothing but what does not apply here,
    does not apply here.
    """
    if not parts:
        return ending
    worst = max(part.verdict for part in parts)
    reason = _of(parts, worst)
    if ending.cause is Cause.RETURNED:
        if worst is Verdict.SKIP:
            return ending._replace(cause=Cause.SKIPPED, verdict=Verdict.SKIP, reason=joined(ending.reason, reason))
        if worst.is_bad:
            return ending._replace(cause=Cause.PART_FAILED, verdict=worst, reason=joined(ending.reason, reason))
        if worst is Verdict.WARN and ending.verdict < Verdict.WARN:
            return ending._replace(verdict=worst, reason=joined(ending.reason, reason))
        return ending
    if ending.verdict.is_bad and worst.is_bad:
        return ending._replace(verdict=max(ending.verdict, worst), reason=joined(ending.reason, reason))
    return ending


def _of(parts: Sequence[Part], worst: Verdict) -> str:
    """`3 of 41 subtests: fragmented extents`."""
    if worst is Verdict.SKIP:
        return _cut(parts[0].note) if len(parts) == 1 and parts[0].note else f"all {len(parts)} subtests were skipped"
    low = Verdict.FAIL if worst.is_bad else worst
    meant = [part for part in parts if part.verdict >= low]
    first = next(part for part in meant if part.verdict is worst)
    said = f"{first.name}: {first.note}" if first.note else first.name
    return f"{len(meant)} of {len(parts)} subtests: {_cut(said)}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
