"""JUnit XML, as Jenkins, GitLab and reporters for GitHub take it: a suite for each directory, a case for each task.

What failed is a `failure`, what could not be judged an `error`, and what did not run, for whatever reason, `skipped`.
Attempts before the last one are `flakyFailure` where the task passed in the end, else `rerunFailure`, in the words of
Maven's Surefire. Characters that no XML can hold are shown as escapes; those that could
harm a terminal, or command a CI system, are references.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from pexen_state.core.states import BAD_WORDS
from pexen_state.report.endings import attempt_in_words
from pexen_state.report.formats.whole import Task, Whole
from pexen_state.report.merged import merged_in_words
from pexen_state.report.text import safe_markup

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILURE = frozenset({"fail"})
_ERROR = frozenset({"error", "timeout", "crash"})
_SKIPPED = frozenset({"skip", "not_run", None})


def lines(whole: Whole) -> Iterator[str]:
    """The document, line by line."""
    run = whole.run
    host = _attribute("hostname", run["host"] or "")
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    total = _counts(whole.tasks, "tests", "failures", "errors")  # more of them the schema of Jenkins refuses here
    yield f"<testsuites{_attribute('name', run['name'])}{total}{_attribute('time', _seconds(whole.seconds))}>\n"
    directories = _by_directory(whole.tasks)
    classes = _classes(str(run["name"]), directories)
    for directory, tasks in directories.items():
        name = _suite(str(run["name"]), directory)
        times = _attribute("time", _seconds(sum(task.seconds for task in tasks)))
        when = _attribute("timestamp", str(run["started_at"])[:19])
        yield f"  <testsuite{_attribute('name', name)}{_counts(tasks)}{times}{when}{host}>\n"
        yield "    <properties>\n"
        for key, value in (
            ("run", run["id"]),
            ("uuid", run["uuid"]),
            ("kernel", run["kernel"]),
            ("params", run["params"]),
            ("merged", merged_in_words(whole.runs)),
        ):
            if value is not None:
                yield f"      <property{_attribute('name', key)}{_attribute('value', str(value))}/>\n"
        yield "    </properties>\n"
        for task in tasks:
            yield from _case(whole, task, directory, classes[directory])
        yield "  </testsuite>\n"
    yield "</testsuites>\n"


def _case(whole: Whole, task: Task, directory: str, classname: str) -> Iterator[str]:
    name = task.key.removeprefix(f"{directory}/") if directory else task.key
    yield (
        f"    <testcase{_attribute('name', name)}{_attribute('classname', classname)}"
        f"{_attribute('time', _seconds(task.seconds))}>\n"
    )
    verdict = task.verdict
    reason = task.reason or (verdict or "it has not ended")
    if verdict in _SKIPPED:
        yield f"      <skipped{_attribute('message', reason)}{_attribute('type', verdict or 'unfinished')}/>\n"
    elif verdict in _FAILURE or verdict in _ERROR:
        kind = "failure" if verdict in _FAILURE else "error"
        body = "\n".join([reason, *_parts_in_words(task)])
        yield f"      <{kind}{_attribute('message', reason)}{_attribute('type', str(verdict))}>{_text(body)}</{kind}>\n"
    kind = "rerunFailure" if verdict in _FAILURE | _ERROR else "flakyFailure"
    for type_, said in _before(task):
        yield f"      <{kind}{_attribute('message', said)}{_attribute('type', type_)}/>\n"
    output = whole.output(task)
    if output:
        yield f"      <system-out>{_text(output.decode('utf-8', 'backslashreplace'))}</system-out>\n"
    yield "    </testcase>\n"


def _before(task: Task) -> Iterator[tuple[str, str]]:
    """(type, message) of what went wrong before the attempt that counts."""
    for run, verdict, reason in task.earlier:
        if verdict in BAD_WORDS:
            yield verdict, f"run {run}: {reason or verdict}"
    for attempt in task.failed_before:
        yield str(attempt["state"]), f"attempt {attempt['attempt']}: {attempt_in_words(attempt)}"


def _parts_in_words(task: Task) -> Iterator[str]:
    for part in task.parts:
        note = f": {part['note']}" if part["note"] else ""
        yield f"{part['verdict']} {part['name']}{note}"


def _by_directory(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.key.rpartition("/")[0], []).append(task)
    return dict(sorted(found.items()))


def _suite(name: str, directory: str) -> str:
    return f"{name}/{directory}" if directory else name


def _classes(name: str, directories: Iterable[str]) -> dict[str, str]:
    """By directory: what its cases are said to be of.

    GitLab and Jenkins take two cases of one class and name for the same. `a.b` and `a/b` would be one class, and so
    would the top and a directory that is called as the run is: those that would be go by the names of their suites.
    """
    dotted = {directory: directory.replace("/", ".") or name for directory in directories}
    uses = Counter(dotted.values())
    return {one: dotted[one] if uses[dotted[one]] == 1 else _suite(name, one) for one in dotted}


def _counts(tasks: Iterable[Task], *names: str) -> str:
    """Those of these names; without any all of them."""
    verdicts = [task.verdict for task in tasks]
    said = {
        "tests": len(verdicts),
        "failures": sum(verdict in _FAILURE for verdict in verdicts),
        "errors": sum(verdict in _ERROR for verdict in verdicts),
        "skipped": sum(verdict in _SKIPPED for verdict in verdicts),
    }
    return "".join(_attribute(name, str(count)) for name, count in said.items() if not names or name in names)


def _seconds(seconds: float | None) -> str:
    return f"{seconds or 0.0:.3f}"


def _clean(text: str) -> str:
    return _NO_XML.sub(lambda match: match[0].encode("unicode_escape", "backslashreplace").decode(), text)


def _text(text: str) -> str:
    return safe_markup(escape(_clean(text)))


def _attribute(name: str, value: str) -> str:
    quoted = quoteattr(_clean(value), {chr(10): "&#10;", chr(13): "&#13;", chr(9): "&#9;"})
    return f" {name}={safe_markup(quoted)}"
