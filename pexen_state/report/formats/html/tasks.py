"""One task on the page: how it ended, its attempts, its parts, what it printed, its files, and how it was before.

What is told has a room: first come those that went wrong, and what does not fit any more is told in words.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import cache
from typing import Any

from pexen_state.journal.asking.past import letter, median
from pexen_state.journal.paths import JournalPaths
from pexen_state.report.formats.around import Around, Was
from pexen_state.report.formats.html.markup import Markup, address, joined, lines_of, tag, text
from pexen_state.report.formats.whole import Task, Whole
from pexen_state.report.style import took, verdict_words, when
from pexen_state.report.text import cut, visible_lines

#: Of the page, for what is told of tasks beside their rows, of all of them together, in characters.
ROOM = 4 * 1024 * 1024
#: Of what one task printed, from its end: if it went wrong, and if not.
OUTPUT_OF_BAD, OUTPUT_OF_GOOD = 16 * 1024, 2 * 1024
#: Tasks that went wrong and are told in full; the others have a row in the tree.
FAILURES = 2000

_PARTS = 100  #: of a task that are told
_FILES = 20  #: of an attempt that are listed
_ATTEMPTS = 50  #: of a task that are told, the newest
_REASON = 1000  #: characters
_SHORT_LINES, _SHORT_BYTES = 12, 360  #: output that is no longer is seen without scrolling, even on a phone
_LETTERS = 10  #: of earlier verdicts, in the tree
_BAD = ("crash", "timeout", "error", "fail")


class Shown:
    """What is on the page, and how much room is left."""

    def __init__(self, whole: Whole, around: Around, directory: str) -> None:
        self.whole = whole
        self.around = around
        self.room = ROOM
        self.failures: set[int] = set()  #: tasks that were told in full already
        self._base = os.path.relpath(whole.directory, directory)

    def fits(self, said: Markup) -> bool:
        """Whether it may be shown; if so, it has taken its room."""
        if len(said) > self.room:
            return False
        self.room -= len(said)
        return True

    def counted(self, said: Markup) -> Markup:
        """What is small, and shown in any case; it takes room all the same."""
        self.room -= len(said)
        return said

    def directory_of(self, task: Task, attempt: dict[str, Any]) -> str:
        """Of an attempt, relative to the journal's."""
        if attempt["output"]:
            return os.path.dirname(str(attempt["output"]))
        spec = self.around.specs[task.place]
        paths = JournalPaths.of(self.whole.journal)
        found = paths.attempt_dir(task.run, spec.key, task.about["number"], attempt["attempt"])
        return os.path.relpath(found, self.whole.directory)

    def link(self, path: str, *words: str) -> Markup:
        """To a file, whose path is relative to the journal's directory."""
        return tag("a", *words, href=address(os.path.normpath(f"{self._base}/{path}")))

    def earlier(self, task: Task) -> list[Was]:
        return self.around.earlier.get(task.key, [])


def word(verdict: str | None) -> str:
    return verdict_words(verdict) or "unfinished"


@cache
def badge(verdict: str | None) -> Markup:
    return tag("b", word(verdict), class_=f"v v-{verdict or 'none'}")


def failure(shown: Shown, task: Task) -> Markup:
    """A task that went wrong, in full; nothing if there are too many of them."""
    if len(shown.failures) >= FAILURES:
        if len(shown.failures) == FAILURES:
            shown.failures.add(-1)
            return tag("p", f"More went wrong: after {FAILURES} of them, the others are in the tree below.", class_="m")
        return Markup("")
    number = task.place
    shown.failures.add(number)
    title = joined(badge(task.verdict), tag("h3", task.key))
    return tag("article", title, *_told(shown, task, OUTPUT_OF_BAD), class_="card", id=f"t{number}")


def body(shown: Shown, task: Task) -> Markup:
    """The same of a task in the tree."""
    most = OUTPUT_OF_BAD if task.verdict in _BAD else OUTPUT_OF_GOOD
    return joined(*_told(shown, task, most))


def letters(was: list[Was]) -> str:
    """`PPFfP`, oldest first."""
    return "".join(letter(one.verdict, one.flaky) for one in was[-_LETTERS:])


def _told(shown: Shown, task: Task, most: int) -> Iterator[Markup]:
    if task.reason:
        yield tag("p", cut(task.reason, _REASON))
    if shown.room <= 0:
        if task.attempts:
            words = "What else is known of it is left out, because the page would be too large: "
            yield tag("p", words, _command("show", task), class_="m")
        return
    for run, verdict, reason in task.earlier:
        yield shown.counted(
            tag("p", f"In run {run}: {word(verdict)}{f', {cut(reason, 200)}' if reason else ''}", class_="m")
        )
    was = shown.earlier(task)
    if task.attempts:
        yield shown.counted(_last(task))
    if len(was) > 1:
        yield shown.counted(_before(was))
    if len(task.attempts) > 1:
        yield shown.counted(_attempts(task))
    if task.parts:
        yield from _parts(shown, task)
    yield from _output(shown, task, most)
    yield from _files(shown, task)


def _last(task: Task) -> Markup:
    last = task.attempts[-1]
    said = [f"attempt {last['attempt']}" if last["attempt"] > 1 else "", when(last["started_at"])]
    if last["seconds"] is not None:
        said.append(f"took {took(last['seconds']).strip()}")
    said += [f"worker {last['worker']}" if last["worker"] is not None else "", _ending(last)]
    if task.usage is not None:
        said.append(cut(task.usage["note"] or "", 300))
    return tag("p", ", ".join(filter(None, said)), class_="m")


def _ending(attempt: dict[str, Any]) -> str:
    if attempt["signal"] is not None:
        return f"signal {attempt['signal']}"
    return f"exit {attempt['exit_code']}" if attempt["exit_code"] is not None else ""


def _attempts(task: Task) -> Markup:
    rows = []
    for one in task.attempts[-_ATTEMPTS:]:
        cells = (
            str(one["attempt"]),
            verdict_words(one["state"]),
            verdict_words(one["cause"]),
            _ending(one),
            when(one["started_at"]),
            took(one["seconds"]).strip(),
        )
        rows.append(tag("tr", *(tag("td", cell) for cell in cells)))
    names = ("attempt", "state", "cause", "ending", "began", "took")
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    left = len(task.attempts) - len(rows)
    more = tag("p", f"{left} earlier attempts are not listed.", class_="m") if left > 0 else Markup("")
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return joined(tag("div", table, class_="wide", tabindex=0, role="region", aria_label="Attempts"), more)


def _parts(shown: Shown, task: Task) -> Iterator[Markup]:
    """The worst first, as far as there is room."""
    rank = {verdict: place for place, verdict in enumerate((*_BAD, "warn"))}
    parts = sorted(task.parts, key=lambda part: rank.get(part["verdict"], len(rank)))
    rows: list[Markup] = []
    for part in parts[:_PARTS]:
        said = [badge(part["verdict"]), Markup(" "), tag("span", cut(part["name"], 300), class_="k")]
        if part["note"]:
            lines = visible_lines(cut(part["note"], 500).encode("utf-8", "backslashreplace"))
            said += [Markup(" "), tag("span", lines_of(lines), class_="w")]
        if part["metrics"]:
            said.append(text(cut("".join(f" {name}={value:.15g}" for name, value in part["metrics"].items()), 500)))
        if part["files"]:
            directory = shown.directory_of(task, task.attempts[-1])
            for name in part["files"][:_FILES]:
                said += [Markup(" "), shown.link(f"{directory}/artifacts/{name}", name)]
        row = tag("li", *said)
        if not shown.fits(row):
            break
        rows.append(row)
    left = len(parts) - len(rows)
    if rows:
        yield tag("ul", *rows, class_="parts", aria_label="Parts")
    if left:
        words = f"{left} {'more ' if rows else ''}parts are not listed here: "
        yield tag("p", words, _command("show", task), class_="m")


def _output(shown: Shown, task: Task, most: int) -> Iterator[Markup]:
    if not task.attempts or task.attempts[-1]["output"] is None:
        return
    end, size = shown.whole.end_of_output(task, most)
    if not end.strip():
        return
    if size > len(end):
        end = end.partition(b"\n")[2] or end  # it does not begin at a line's begin
    # What may have to be scrolled is reached by the keyboard; all else would be a stop for nothing.
    is_long = end.count(b"\n") > _SHORT_LINES or len(end) > _SHORT_BYTES
    said = tag("pre", lines_of(visible_lines(end)), role="group", tabindex=0 if is_long else None, aria_label="Output")
    whole = joined(shown.link(task.attempts[-1]["output"], "all of it"), " or ", _command("logs", task))
    if not shown.fits(said):
        words = f"Its output of {_bytes(size)} is left out, because the page would be too large: "
        yield tag("p", words, whole, class_="m")
        return
    if size > len(end):
        yield tag("p", f"The last {_bytes(len(end))} of {_bytes(size)} of output; ", whole, class_="m")
    yield said


def _command(verb: str, task: Task) -> Markup:
    return tag("code", f"pexen {verb} {task.run} {task.key}")


def _bytes(size: int) -> str:
    if size < 1024:
        return "1 byte" if size == 1 else f"{size} bytes"
    return f"{size / 1024:.1f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.1f} MiB"


def _files(shown: Shown, task: Task) -> Iterator[Markup]:
    for attempt in task.attempts[-_ATTEMPTS:]:
        directory = shown.directory_of(task, attempt)
        names = list(_names(os.path.join(shown.whole.directory, directory)))
        if not names:
            continue
        nth = f"attempt {attempt['attempt']}: " if len(task.attempts) > 1 else ""
        rows = [tag("li", f"Files of {nth}" if nth else "Files: ")]
        rows += [tag("li", shown.link(f"{directory}/{name}", name)) for name in names[:_FILES]]
        if len(names) > _FILES:
            rows.append(
                tag("li", f"and {len(names) - _FILES} more in ", shown.link(f"{directory}/artifacts", "artifacts"))
            )
        said = tag("ul", *rows, class_="files")
        yield shown.counted(said)


def _names(directory: str) -> Iterator[str]:
    """Regular files alone: a link could lead anywhere."""
    for name in ("output.log", "evidence.txt"):
        try:
            found = os.lstat(f"{directory}/{name}")
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and found.st_size:
            yield name
    try:
        with os.scandir(f"{directory}/artifacts") as inside:
            yield from sorted(f"artifacts/{one.name}" for one in inside if one.is_file(follow_symlinks=False))
    except OSError:
        return


def _before(was: list[Was]) -> Markup:
    """How long it took in the newest runs, as bars whose colour is the verdict."""
    times = [one.seconds for one in was if one.seconds is not None]
    most = max(times, default=0.0)
    drawn: dict[str, list[str]] = {}
    for place, one in enumerate(was):
        high = max(2, round(18 * (one.seconds or 0.0) / most)) if most else 2
        drawn.setdefault(one.verdict, []).append(f"M{place * 6} 20v-{high}h4v{high}z")
    bars = [tag("path", d="".join(path), class_=f"f-{verdict}") for verdict, path in drawn.items()]
    wide = len(was) * 6
    said = f"In the newest {len(was)} runs: {letters(was)}"
    usual = f"; usually {took(median(times)).strip()}, at most {took(most).strip()}. " if times else ". "
    picture = tag(
        "svg", *bars, class_="spark", width=wide, height=20, viewBox=f"0 0 {wide} 20", role="img", aria_label=said
    )
    return tag("p", said, usual, picture, class_="m")
