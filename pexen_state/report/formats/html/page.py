"""The page, from its head to its foot: a summary, what went wrong, all tasks as a tree, and the pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pexen_state import __version__
from pexen_state.report.formats.around import Around, around
from pexen_state.report.formats.html.graph import graph
from pexen_state.report.formats.html.look import POLICY, STYLE
from pexen_state.report.formats.html.markup import Markup, begin, end, joined, tag, text
from pexen_state.report.formats.html.past import past
from pexen_state.report.formats.html.tasks import Shown, failure, word
from pexen_state.report.formats.html.timeline import timeline
from pexen_state.report.formats.html.tree import tree
from pexen_state.report.formats.whole import Task, Whole
from pexen_state.report.merged import merged_in_words
from pexen_state.report.style import count, duration, when

BAD = ("crash", "timeout", "error", "fail")
_ORDER = (*BAD, "warn", "not_run", "skip", "pass", "info", None)
_NAMED = 200  #: tasks that a list names


def lines(whole: Whole, directory: str) -> Iterator[str]:
    """`directory` is where the page will be: what it links to is told from there."""
    return drawn(whole, around(whole), directory)


def drawn(whole: Whole, around: Around, directory: str) -> Iterator[str]:
    shown = Shown(whole, around, directory)
    run = whole.run
    title = f"{run['name']}: run {run['id']}"
    yield "<!DOCTYPE html>\n"
    yield begin("html", lang="en")
    yield tag(
        "head",
        tag("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        Markup(f"<style>{STYLE}</style>"),
    )
    yield "\n"
    yield begin("body")
    yield tag("a", "Skip to the tasks", class_="skip", href="#tasks")
    yield _header(whole)
    yield begin("main")
    yield _summary(whole)
    yield from _wrong(shown)
    yield from _also(whole)
    yield tag("h2", "All tasks", id="tasks")
    yield from tree(shown)
    yield tag("h2", "Timeline", id="timeline")
    yield from timeline(whole)
    yield tag("h2", "What needs what", id="needs")
    yield from graph(whole, around)
    yield tag("h2", "Earlier runs", id="past")
    yield from past(whole, around)
    yield end("main")
    yield tag(
        "footer", tag("p", f"Written by pexen {__version__} from its journal. Times are in the zone of that box.")
    )
    yield "</body></html>\n"


def _header(whole: Whole) -> Markup:
    run = whole.run
    merged = merged_in_words(whole.runs)
    state = "unfinished" if run["state"] == "unfinished" else str(run["state"])
    facts = [
        ("Host", run["host"]),
        ("Kernel", run["kernel"]),
        ("Began", when(run["started_at"])),
        ("Ended", when(run["ended_at"]) or "not yet"),
        ("Took", duration(whole.seconds or 0.0)),
        ("Sessions", run["sessions"]),
        ("Reboots", run["reboots"]),
        ("Target", run["target"]),
    ]
    if run["params"] and run["params"] != "{}":
        facts.append(("Parameters", run["params"]))
    places = [
        ("wrong", "What went wrong"),
        ("tasks", "All tasks"),
        ("timeline", "Timeline"),
        ("needs", "What needs what"),
    ]
    places.append(("past", "Earlier runs"))
    return tag(
        "header",
        tag("h1", run["name"]),
        tag("p", f"Run {run['id']}, {state}", f", together with {merged}" if merged else ""),
        tag(
            "dl",
            *(tag("div", tag("dt", name), tag("dd", str(said))) for name, said in facts if said is not None),
            class_="facts",
        ),
        tag(
            "nav",
            tag("ul", *(tag("li", tag("a", words, href=f"#{place}")) for place, words in places)),
            aria_label="Parts",
        ),
    )


def _summary(whole: Whole) -> Markup:
    counts = Counter(task.verdict for task in whole.tasks)
    present = [verdict for verdict in _ORDER if counts[verdict]]
    flaky = sum(bool(task.about["flaky"]) for task in whole.tasks)
    tiles = [
        tag("li", tag("b", str(counts[verdict])), tag("span", word(verdict)), class_=f"t-{verdict or 'none'}")
        for verdict in present
    ]
    if flaky:
        tiles.append(tag("li", tag("b", str(flaky)), tag("span", "of them flaky"), class_="t-warn"))
    at = 0.0
    bars = []
    for verdict in present:
        wide = 1000 * counts[verdict] / len(whole.tasks)
        bars.append(tag("rect", x=f"{at:.1f}", width=f"{wide:.1f}", height=10, class_=f"f-{verdict or 'none'}"))
        at += wide
    said = ", ".join(f"{counts[verdict]} {word(verdict)}" for verdict in present)
    return joined(
        tag("ul", *tiles, class_="tiles", aria_label=f"Of {count(len(whole.tasks), 'task')}"),
        tag("svg", *bars, class_="bar", viewBox="0 0 1000 10", preserveAspectRatio="none", role="img", aria_label=said)
        if bars
        else tag("p", "The run has no tasks."),
    )


def _wrong(shown: Shown) -> Iterator[str]:
    yield tag("h2", "What went wrong", id="wrong")
    bad = [task for task in shown.whole.tasks if task.verdict in BAD]
    if not bad:
        yield tag("p", "Nothing.")
    for task in sorted(bad, key=lambda task: _ORDER.index(task.verdict)):
        yield failure(shown, task)
        yield "\n"


def _also(whole: Whole) -> Iterator[str]:
    """What is neither well nor a failure: by their reasons those that did not run, warnings, flaky ones."""
    reasons: dict[str, list[Task]] = {}
    for task in whole.tasks:
        if task.verdict == "not_run":
            reasons.setdefault(task.reason or "not run", []).append(task)
    if reasons:
        yield tag("h2", "Not run")
        for reason, tasks in sorted(reasons.items(), key=lambda one: -len(one[1]))[:_NAMED]:
            yield _listed(f"{len(tasks)}: {reason}", tasks)
        if len(reasons) > _NAMED:
            yield tag("p", f"{len(reasons) - _NAMED} more reasons are in the tree below.", class_="m")
    warned = [task for task in whole.tasks if task.verdict == "warn"]
    flaky = [task for task in whole.tasks if task.about["flaky"]]
    if warned or flaky:
        yield tag("h2", "Passed, but")
        if warned:
            yield _listed(f"{len(warned)} with warnings", warned)
        if flaky:
            yield _listed(f"{len(flaky)} not in the first attempt", flaky)


def _listed(title: str, tasks: list[Task]) -> Markup:
    rows = [
        tag(
            "li",
            tag("a", task.key, href=f"#t{task.place}"),
            f" {task.reason[:300]}" if task.verdict == "warn" else "",
        )
        for task in tasks[:_NAMED]
    ]
    if len(tasks) > _NAMED:
        rows.append(tag("li", f"and {len(tasks) - _NAMED} more"))
    return tag("div", tag("p", text(title)), tag("ul", *rows, class_="parts"), class_="card")
