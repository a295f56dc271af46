"""All tasks by directory, to be opened and closed without a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pexen_state.report.formats.html.markup import begin, end, joined, tag
from pexen_state.report.formats.html.tasks import Shown, badge, body, letters
from pexen_state.report.formats.whole import Task
from pexen_state.report.style import took
from pexen_state.report.tree import parts_of

_DEEP = 16  #: directories within each other; what is deeper is in one name
_OPEN = 200  #: tasks: of so many all directories are open, of more those in which something went wrong
_BAD = frozenset({"crash", "timeout", "error", "fail"})


class _Branch:
    __slots__ = ("bad", "branches", "tasks", "total")

    def __init__(self) -> None:
        self.branches: dict[str, _Branch] = {}
        self.tasks: list[tuple[str, Task]] = []
        self.total = 0
        self.bad: Counter[str] = Counter()


def tree(shown: Shown) -> Iterator[str]:
    """In the order in which directories and tasks first came; of a directory its own tasks come first."""
    root = _Branch()
    for task in shown.whole.tasks:
        parts = parts_of(task.key)
        parts = [*parts[:_DEEP], "/".join(parts[_DEEP:])] if len(parts) > _DEEP + 1 else parts
        branch = root
        _count(branch, task)
        for part in parts[:-1]:
            branch = branch.branches.setdefault(part, _Branch())
            _count(branch, task)
        branch.tasks.append((parts[-1], task))
    yield begin("ul", class_="tree")
    yield from _inside(shown, root)
    yield end("ul")


def _count(branch: _Branch, task: Task) -> None:
    branch.total += 1
    if task.verdict in _BAD:
        branch.bad["went wrong"] += 1
    elif task.verdict == "not_run":
        branch.bad["not run"] += 1


def _inside(shown: Shown, branch: _Branch) -> Iterator[str]:
    for name, task in branch.tasks:
        yield _row(shown, name, task)
        yield "\n"
    for name, below in branch.branches.items():
        while not below.tasks and len(below.branches) == 1:
            ((deeper, below),) = below.branches.items()
            name = f"{name}/{deeper}"
        said = ", ".join([f"{below.total}", *(f"{count} {what}" for what, count in below.bad.items())])
        is_open = "" if len(shown.whole.tasks) <= _OPEN or below.bad["went wrong"] else None
        yield begin("li")
        yield begin("details", open=is_open)
        yield tag("summary", tag("span", f"{name}/", class_="n"), tag("span", said, class_="s"))
        yield begin("ul")
        yield from _inside(shown, below)
        yield "</ul></details></li>\n"


def _row(shown: Shown, name: str, task: Task) -> str:
    number = task.place
    was = shown.earlier(task)
    past = tag("span", letters(was), class_="h") if len(was) > 1 else ""
    time = tag("span", took(task.about["seconds"]).strip(), class_="s")
    if number in shown.failures:
        link = tag("a", name, class_="n", href=f"#t{number}")
        return tag("li", tag("div", badge(task.verdict), link, past, time, class_="row"))
    said = joined(badge(task.verdict), tag("span", name, class_="n"), past, time)
    inside = body(shown, task)
    if not inside:
        return tag("li", tag("div", said, class_="row"), id=f"t{number}")
    return tag("li", tag("details", tag("summary", said), tag("div", inside, class_="body"), id=f"t{number}"))
