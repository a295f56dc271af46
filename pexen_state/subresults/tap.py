"""The Test Anything Protocol, versions 12 to 14, and KTAP, as the kernel's tests print it.

A test point is a result; one of a subtest is named `outer/inner`. What diagnoses a point (comments behind one that
failed, a block of YAML) is its note. That fewer points came than were planned, or that none was, is a failure of its
own, as it is for `prove`. Everything else that stands in between is output like any other.

Sources: testanything.org (TAP 13, TAP 14) and Documentation/dev-tools/ktap.rst of Linux.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pexen_state.core.states import Verdict
from pexen_state.journal.records import SubResult
from pexen_state.subresults.lines import LONGEST_NAME, cut

_VERSION = re.compile(r"(TAP|KTAP) version (\d+)\s*$")
_POINT = re.compile(r"(not )?ok\b(?:\s+(\d+))?\s*(?:- ?)?(.*)$")
_PLAN = re.compile(r"1\.\.(\d+)\s*(?:#\s*(.*))?$")
_BAIL = re.compile(r"Bail out!\s*(.*)$", re.IGNORECASE)
_SUBTEST = re.compile(r"#\s*Subtest(?::\s*(.*))?$")
_DIRECTIVE = re.compile(r"(?<!\\)#\s*(SKIP|TODO|TIMEOUT|XFAIL|ERROR)\w*\s*:?\s*(.*)$", re.IGNORECASE)

#: What a directive makes of a point that is `not ok`.
_MEANS = {
    "skip": Verdict.SKIP,
    "todo": Verdict.INFO,
    "xfail": Verdict.INFO,
    "timeout": Verdict.TIMEOUT,
    "error": Verdict.ERROR,
}

_LONGEST_NOTE = 4000


def is_begun_by(line: bytes) -> bool:
    """Whether output whose first line this is says that it is TAP."""
    return _VERSION.match(line[:100].decode("utf-8", "replace")) is not None


@dataclass(slots=True)
class _Level:
    """A stream of points, or the subtest of one."""

    indent: int
    first: int  #: the first of its results in the list of all
    name: str | None = None  #: if it was announced
    plan: int | None = None
    points: int = 0
    ids: set[int] = field(default_factory=set)  #: numbers that points had
    twice: int | None = None  #: a number that two points had


@dataclass(slots=True)
class _Reading:
    is_nested: bool = False  #: subtests are indented points, without being announced
    is_kernel: bool = False
    levels: list[_Level] = field(default_factory=lambda: [_Level(0, 0)])
    found: list[SubResult] = field(default_factory=list)
    noted: int | None = None  #: the result that what follows diagnoses
    yaml: int | None = None  #: indent of the block of YAML that is being read
    announced: tuple[int, str] | None = None  #: a subtest that is about to begin: its indent and name
    bailed_out: bool = False


def results(lines: Iterable[str]) -> Iterator[SubResult]:
    """Of all the lines of an output, without their ends."""
    reading = _Reading()
    for line in lines:
        _take(reading, line)
        if reading.bailed_out:
            break
    while reading.levels:
        level = reading.levels.pop()
        _end(reading, level, level.name if reading.levels else None, is_last=not reading.levels)
    yield from reading.found


def _take(reading: _Reading, line: str) -> None:
    text = line.lstrip(" ")
    indent = len(line) - len(text)
    if reading.yaml is not None:
        if indent == reading.yaml and text.rstrip() == "...":
            reading.yaml = None
        else:
            _note(reading, line[reading.yaml :])
        return
    if text.startswith("#"):
        if (subtest := _SUBTEST.match(text)) is not None:
            reading.announced = indent, (subtest[1] or "").strip()
        elif reading.noted is not None:
            _note(reading, text[1:].removeprefix(" "))
        return
    if (version := _VERSION.match(text)) is not None:
        reading.is_kernel = reading.is_kernel or version[1] == "KTAP"
        reading.is_nested = reading.is_nested or version[1] == "KTAP" or int(version[2][:3]) >= 14
        if indent:
            _open(reading, indent)
        return
    point, plan, bail = _POINT.match(text), _PLAN.match(text), _BAIL.match(text)
    if point is None and plan is None and bail is None:
        if text.startswith("---") and reading.noted is not None:
            reading.yaml = indent
        return
    if bail is not None:
        reading.found.append(SubResult("Bail out!", Verdict.ERROR, _cut_note(bail[1]) or None))
        reading.bailed_out = True
        return
    level = _level_at(reading, indent)
    if level is None:
        return
    if point is not None:
        _point(reading, level, point)
    elif plan is not None and len(plan[1]) < 10:
        level.plan = int(plan[1])
        reason = plan[2] or ""
        if level.plan == 0 and level.indent == 0:
            skipped = _DIRECTIVE.match(f"#{reason}")
            reading.found.append(SubResult("all", Verdict.SKIP, _cut_note(skipped[2] if skipped else reason) or None))


def _level_at(reading: _Reading, indent: int) -> _Level | None:
    """The level that a point or a plan of this indent belongs to; None: it is no line of the protocol."""
    levels = reading.levels
    if any(level.indent == indent for level in levels):
        # Those that are deeper are over. Who they belonged to is the point that comes now.
        return next(level for level in reversed(levels) if level.indent == indent)
    if indent < levels[-1].indent:
        return None
    step = indent - levels[-1].indent
    is_announced = reading.announced is not None and reading.announced[0] in (indent, levels[-1].indent)
    if is_announced or (reading.is_nested and step in ((2, 4) if reading.is_kernel else (4,))):
        return _open(reading, indent)
    return None


def _open(reading: _Reading, indent: int) -> _Level:
    while reading.levels and reading.levels[-1].indent >= indent and len(reading.levels) > 1:
        level = reading.levels.pop()
        _end(reading, level, level.name)
    name = reading.announced[1] if reading.announced is not None else None
    reading.announced = None
    level = _Level(indent, len(reading.found), name or None)
    reading.levels.append(level)
    reading.noted = None
    return level


def _point(reading: _Reading, level: _Level, point: re.Match[str]) -> None:
    level.points += 1
    if point[2] is not None:
        number = int(point[2][:10])
        if number in level.ids and level.twice is None:
            level.twice = number
        level.ids.add(number)
    description, verdict, note = _described(point[3], is_ok=point[1] is None)
    name = description or f"test {point[2] or level.points}"
    while reading.levels[-1] is not level:
        inner = reading.levels.pop()
        _end(reading, inner, description or inner.name or name)
    reading.announced = None
    reading.found.append(SubResult(cut(name, LONGEST_NAME), verdict, note))
    reading.noted = len(reading.found) - 1


def _described(text: str, is_ok: bool) -> tuple[str, Verdict, str | None]:
    """(name, verdict, note) of what stands behind `ok`."""
    verdict = Verdict.PASS if is_ok else Verdict.FAIL
    found = _DIRECTIVE.search(text)
    note = None
    if found is not None:
        text, word, reason = text[: found.start()], found[1].lower(), found[2].strip()
        if word == "skip":
            verdict, note = Verdict.SKIP, reason
        elif not is_ok:
            verdict, note = _MEANS[word], f"{'expected' if word in ('todo', 'xfail') else word}: {reason or '-'}"
        else:
            note = f"{word}: {reason}" if reason else word
    return text.strip().replace("\\#", "#").replace("\\\\", "\\"), verdict, _cut_note(note) if note else None


def _end(reading: _Reading, level: _Level, name: str | None, is_last: bool = False) -> None:
    """No more points come: the results of a subtest get its name in front."""
    found = reading.found
    if not (reading.bailed_out and is_last) and (wrong := _not_as_planned(reading, level, is_last)) is not None:
        found.append(SubResult("plan", Verdict.FAIL, wrong))
    if name:
        for at in range(level.first, len(found)):
            found[at] = found[at]._replace(name=cut(f"{name}/{found[at].name}", LONGEST_NAME))


def _not_as_planned(reading: _Reading, level: _Level, is_last: bool) -> str | None:
    """Points may come in any order, but each once, and none that was not planned. The kernel's tests count as they
    like.
    """
    if level.plan is None:
        if not is_last:
            return None
        return "there was no plan" if level.points else "no test was run, and none was planned"
    if level.plan != level.points:
        return f"{level.plan} planned, {level.points} run"
    if reading.is_kernel:
        return None
    if level.twice is not None:
        return f"two tests have the number {level.twice}"
    beyond = [number for number in level.ids if not 1 <= number <= level.plan]
    return f"{level.plan} planned, and there is a test {min(beyond)}" if beyond else None


def _note(reading: _Reading, line: str) -> None:
    """More about the last point. Of one that is well, nobody wants to know."""
    at = reading.noted
    if at is None or not (reading.found[at].verdict.is_bad or reading.yaml is not None):
        return
    before = reading.found[at].note
    if before is None or len(before) < _LONGEST_NOTE:
        note = f"{before}\n{line.rstrip()}" if before else line.rstrip()
        reading.found[at] = reading.found[at]._replace(note=_cut_note(note) or None)


def _cut_note(text: str) -> str:
    return cut(text.strip(), _LONGEST_NOTE)
