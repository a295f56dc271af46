"""What needs what, as a picture: from left to right, each task after all that it waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import translate

from pexen_state.core.spec import Name
from pexen_state.report.formats.around import Around
from pexen_state.report.formats.html.markup import Markup, tag
from pexen_state.report.formats.html.tasks import word
from pexen_state.report.formats.whole import Task, Whole
from pexen_state.report.style import count

#: More tasks that need each other, or more lines between them, are no picture any more.
TASKS, LINES = 400, 1500

_BOX, _HIGH, _ACROSS, _DOWN = 168, 24, 64, 10
_CHARS = 24
_PASSES = 4

#: (who comes first, who waits for it) -> whether it is order alone
Edges = dict[tuple[int, int], bool]


def graph(whole: Whole, around: Around) -> Iterator[str]:
    edges = _edges(around)
    if edges is None:
        yield tag("p", f"More than {LINES} lines would have to be drawn: `pexen plan` tells in words what needs what.")
        return
    numbers = sorted({number for edge in edges for number in edge})
    if not numbers:
        yield tag("p", "No task needs another.")
        return
    if len(numbers) > TASKS:
        words = f"{len(numbers)} tasks need each other, too many for a picture: `pexen plan` tells it in words."
        yield tag("p", words)
        return
    yield tag(
        "p",
        f"{count(len(numbers), 'task')} of {len(whole.tasks)}. Dashed: order alone, whatever the verdict.",
        class_="m",
    )
    tasks = {task.place: task for task in whole.tasks}
    frame = _picture(edges, _columns(numbers, edges), tasks)
    yield tag("div", frame, class_="wide", tabindex=0, role="region", aria_label="What needs what")


def _edges(around: Around) -> Edges | None:
    """None: they are too many."""
    providers: dict[Name, list[int]] = {}
    for number, spec in around.specs.items():
        for name in spec.provides:
            providers.setdefault(name, []).append(number)
    edges: Edges = {}
    matched: dict[str, list[int]] = {}
    for number, spec in around.specs.items():
        for name in (*spec.requires, *spec.requires_all):
            for first in providers.get(name, ()):
                if first != number:
                    edges[first, number] = False
                if len(edges) > LINES:
                    return None
        for pattern in spec.after:
            if pattern not in matched:
                if len(matched) * len(around.specs) > 1_000_000:
                    return None
                matches = re.compile(translate(pattern)).match
                matched[pattern] = [other for other, one in around.specs.items() if matches(one.key)]
            for first in matched[pattern]:
                # Those that name the same glob do not wait for each other.
                if first != number and pattern not in around.specs[first].after:
                    edges.setdefault((first, number), True)
                if len(edges) > LINES:
                    return None
    return edges


def _columns(numbers: list[int], edges: Edges) -> list[list[int]]:
    """Each task one column after the last of those that it waits for; in a column near to these."""
    before: dict[int, list[int]] = {number: [] for number in numbers}
    behind: dict[int, list[int]] = {number: [] for number in numbers}
    for first, second in edges:
        before[second].append(first)
        behind[first].append(second)
    column = dict.fromkeys(numbers, 0)
    missing = {number: len(before[number]) for number in numbers}
    free = [number for number in numbers if not missing[number]]
    for (
        number
    ) in free:  # grows while it is walked; of a circle, which one of several providers may close, none gets free
        for second in behind[number]:
            column[second] = max(column[second], column[number] + 1)
            missing[second] -= 1
            if not missing[second]:
                free.append(second)
    columns: list[list[int]] = [[] for _ in range(max(column.values()) + 1)]
    for number in numbers:
        columns[column[number]].append(number)
    for turn in range(_PASSES):
        near = before if turn % 2 == 0 else behind
        row = {number: place for those in columns for place, number in enumerate(those)}
        for those in columns if turn % 2 == 0 else reversed(columns):
            means = {
                number: sum(row[other] for other in near[number]) / len(near[number]) if near[number] else row[number]
                for number in those
            }
            those.sort(key=means.__getitem__)
            row.update({number: place for place, number in enumerate(those)})
    return columns


def _picture(edges: Edges, columns: list[list[int]], tasks: dict[int, Task]) -> Markup:
    tall = max(map(len, columns))
    where: dict[int, tuple[float, float]] = {}
    for across, those in enumerate(columns):
        top = (tall - len(those)) * (_HIGH + _DOWN) / 2
        for place, number in enumerate(those):
            where[number] = (4 + across * (_BOX + _ACROSS), 4 + top + place * (_HIGH + _DOWN))
    inside: list[Markup] = []
    for (first, second), is_order in edges.items():
        x, y = where[first]
        to_x, to_y = where[second]
        x, y, to_y = x + _BOX, y + _HIGH / 2, to_y + _HIGH / 2
        bend = max((to_x - x) / 2, 30)
        path = f"M{x:g} {y:g}C{x + bend:g} {y:g} {to_x - bend:g} {to_y:g} {to_x:g} {to_y:g}"
        inside.append(tag("path", d=path, class_="edge after" if is_order else "edge"))
    for number, (x, y) in where.items():
        task = tasks[number]
        key = task.key if len(task.key) <= _CHARS else f"…{task.key[1 - _CHARS :]}"
        box = tag(
            "rect", x=f"{x:g}", y=f"{y:g}", width=_BOX, height=_HIGH, rx=4, class_=f"node n-{task.verdict or 'none'}"
        )
        said = tag("text", key, x=f"{x + 8:g}", y=f"{y + 16:g}")
        inside.append(tag("a", tag("title", f"{task.key}: {word(task.verdict)}"), box, said, href=f"#t{number}"))
    wide = 8 + len(columns) * (_BOX + _ACROSS) - _ACROSS
    high = 8 + tall * (_HIGH + _DOWN) - _DOWN
    label = f"{len(where)} tasks, {count(len(edges), 'line')} between them"
    return tag("svg", *inside, width=wide, height=high, viewBox=f"0 0 {wide} {high}", role="group", aria_label=label)
