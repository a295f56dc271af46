"""Whatever text is in a run, each report is read, and says it back."""

from __future__ import annotations

import re

import lxml.etree
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.report.formats import kinds
from pexen_state.report.formats.whole import Task, Whole
from pexen_state.report.text import safe
from tests.cli.hostility import STRINGS, is_harmless
from tests.report.readers import READERS, agree

#: As the columns of the journal hold it.
texts = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=30),
    st.sampled_from([text.decode("utf-8", "backslashreplace") for text in STRINGS]),
)
verdicts = st.sampled_from(["skip", "info", "pass", "warn", "fail", "error", "timeout", "crash", "not_run", None])


@st.composite
def runs(draw: st.DrawFn) -> Whole:
    name = draw(texts)
    run = {"id": 1, "uuid": "1", "name": name, "host": draw(texts), "kernel": draw(texts), "params": draw(texts)}
    run |= {"started_at": "2026-01-02T03:04:05.678901Z", "seconds": draw(st.floats(0, 1e5))}
    tasks = []
    for key in draw(st.lists(texts, max_size=4, unique_by=safe)):
        verdict = draw(verdicts)
        about = {"run": 1, "task": key, "verdict": verdict, "flaky": 0, "reason": draw(texts), "seconds": 0.25}
        parts = [
            {"name": draw(texts), "verdict": "fail", "note": draw(st.none() | texts)}
            for _ in range(draw(st.integers(0, 2)))
        ]
        tasks.append(Task(about, parts=parts))
    return Whole([run], [], tasks, "/nowhere/journal.db")


#: Those that need no journal besides.
KINDS = [kind for kind in READERS if kind not in ("jsonl", "html", "trace")]


@given(runs())
def test_any_text_is_read_as_it_was_and_harms_nobody(run: Whole):
    reports = {}
    for kind in KINDS:
        said = "".join(kinds.lines(kind, run))
        for line in said.split("\n"):
            assert is_harmless(line), (kind, line)
        if run.tasks:  # without any there is little to be read
            reports[kind] = READERS[kind](said)
            assert list(reports[kind].cases) == [safe(task.key) for task in run.tasks] or kind in ("junit", "md")
            assert reports[kind].cases.keys() == {safe(task.key) for task in run.tasks}
    agree(reports)


@given(texts)
def test_a_reader_of_xml_has_what_was_said_if_xml_can_hold_it(text: str):
    run = {"id": 1, "uuid": "1", "name": "n", "host": "h", "kernel": None, "params": None}
    run |= {"started_at": "2026-01-02T03:04:05.678901Z", "seconds": 1.0}
    about = {"run": 1, "task": "t", "verdict": "fail", "flaky": 0, "reason": text, "seconds": 0.25}
    whole = Whole([run], [], [Task(about)], "/nowhere/journal.db")

    (failure,) = lxml.etree.fromstring("".join(kinds.lines("junit", whole)).encode()).iter("failure")

    wanted = text or "fail"
    if all(char in "\t\n\r" or (char >= " " and char not in "\ufffe\uffff") for char in wanted):
        assert failure.get("message") == failure.text == wanted


parts = st.sampled_from(["a", "b", "a.b", "n", "n.a", "."])


@given(st.lists(st.lists(parts, min_size=1, max_size=4).map("/".join), unique=True, max_size=12), st.just("n"))
def test_no_two_cases_have_one_class_and_name_which_ci_systems_would_take_for_one(keys: list[str], name: str):
    run = {"id": 1, "uuid": "1", "name": name, "host": "h", "kernel": None, "params": None}
    run |= {"started_at": "2026-01-02T03:04:05.678901Z", "seconds": 1.0}
    tasks = [Task({"run": 1, "task": key, "verdict": "pass", "reason": None, "seconds": 0.25}) for key in keys]

    said = "".join(kinds.lines("junit", Whole([run], [], tasks, "/nowhere/journal.db")))

    cases = [
        (case.get("classname"), case.get("name")) for case in lxml.etree.fromstring(said.encode()).iter("testcase")
    ]
    assert len(set(cases)) == len(keys)


def test_the_class_of_a_case_is_its_directory_with_dots():
    run = {"id": 1, "uuid": "1", "name": "nightly", "host": "h", "kernel": None, "params": None}
    run |= {"started_at": "2026-01-02T03:04:05.678901Z", "seconds": 1.0}
    keys = ["net/dhcp/renew", "alone", "fs.d/x", "fs/d/x"]
    tasks = [Task({"run": 1, "task": key, "verdict": "pass", "reason": None, "seconds": 0.25}) for key in keys]

    said = "".join(kinds.lines("junit", Whole([run], [], tasks, "/nowhere/journal.db")))

    classes = [case.get("classname") for case in lxml.etree.fromstring(said.encode()).iter("testcase")]
    assert classes == ["nightly", "nightly/fs.d", "nightly/fs/d", "net.dhcp"]


def test_markdown_mentions_nobody_and_refers_to_nothing():
    run = {"id": 1, "uuid": "1", "name": "@all", "host": "h", "kernel": None, "params": None}
    run |= {"started_at": "2026-01-02T03:04:05.678901Z", "seconds": 1.0}
    about = {
        "run": 1,
        "task": "make test #2",
        "verdict": "fail",
        "flaky": 0,
        "reason": r"\@team see #17, a # b",
        "seconds": 0,
    }

    said = "".join(kinds.lines("md", Whole([run], [], [Task(about)], "/nowhere/journal.db")))

    assert not re.search(r"[@#]\w", said)
    assert r"make test \#<!-- -->2" in said
    assert r"a \# b" in said
