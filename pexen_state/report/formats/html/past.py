"""How the newest runs of the suite went, and which of its tasks pass and fail by turns."""

from __future__ import annotations

from collections.abc import Iterator

from pexen_state.report.formats.around import Around
from pexen_state.report.formats.html.markup import Markup, tag
from pexen_state.report.formats.html.tasks import badge
from pexen_state.report.formats.whole import Whole
from pexen_state.report.style import duration, when

_COUNTS = ("passed", "warned", "failed", "skipped", "not_run")
_KINDS = {"passed": "pass", "warned": "warn", "failed": "fail", "skipped": "skip", "not_run": "not_run"}


def past(whole: Whole, around: Around) -> Iterator[str]:
    if len(around.runs) < 2:
        yield tag("p", "This is the first run of its suite that the journal knows.")
        return
    names = ("run", "began", "verdict", *(name.replace("_", " ") for name in _COUNTS), "took", "")
    head = tag(
        "tr", *(tag("th", name, scope="col", class_="r" if name in ("took", *_words()) else None) for name in names)
    )
    rows = []
    for run in reversed(around.runs):
        here = Markup(" (this)") if run["id"] == whole.run["id"] else Markup("")
        verdict = badge(run["verdict"])
        cells = [tag("td", str(run["id"]), here), tag("td", when(run["started_at"])), tag("td", verdict)]
        cells += [tag("td", str(run[name]), class_="r") for name in _COUNTS]
        cells += [tag("td", duration(run["seconds"] or 0.0), class_="r"), tag("td", _bar(run))]
        rows.append(tag("tr", *cells))
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    yield tag("div", table, class_="wide", tabindex=0, role="region", aria_label="The newest runs of the suite")
    yield from _unsteady(whole, around)


def _unsteady(whole: Whole, around: Around) -> Iterator[str]:
    if not around.unsteady:
        yield tag("p", "No task passed and failed by turns, or passed after a failed attempt.")
        return
    numbers = {task.key: task.place for task in whole.tasks}
    yield tag("h2", "Flaky")
    yield tag(
        "p", "Tasks that passed after a failed attempt (small letters), or passed and failed by turns.", class_="m"
    )
    head = tag(
        "tr", *(tag("th", name, scope="col") for name in ("task", "share of runs", "flaky", "changes", "oldest first"))
    )
    rows = []
    for one in around.unsteady:
        key = tag("a", one.task, href=f"#t{numbers[one.task]}") if one.task in numbers else one.task
        cells = (f"{100 * one.score:.0f} %", str(one.flaky), str(one.changes))
        letters = tag("td", tag("span", one.verdicts[-20:], class_="h"))
        rows.append(tag("tr", tag("td", key), *(tag("td", cell) for cell in cells), letters))
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    yield tag("div", table, class_="wide", tabindex=0, role="region", aria_label="Flaky tasks")


def _words() -> list[str]:
    return [name.replace("_", " ") for name in _COUNTS]


def _bar(run: dict[str, object]) -> Markup:
    total = sum(int(str(run[name])) for name in _COUNTS) or 1
    at = 0.0
    drawn = []
    for name in _COUNTS:
        wide = 120 * int(str(run[name])) / total
        if wide:
            drawn.append(tag("rect", x=f"{at:.1f}", width=f"{wide:.1f}", height=10, class_=f"f-{_KINDS[name]}"))
        at += wide
    return tag("svg", *drawn, width=120, height=10, viewBox="0 0 120 10", aria_hidden="true")
