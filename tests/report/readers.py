"""Reads reports as others do, each format by a reader of somebody else where there is one.

To have another format compared with all the others, write a reader and add it to `READERS`: the test of agreement does
not know how many there are.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import jsonschema
import junitparser
import lxml.etree
from tap.parser import Parser

from pexen_state.report.formats.kinds import KINDS
from pexen_state.report.text import safe
from tests.cli.box import Box

ROOT = Path(__file__).parent.parent.parent
_SCHEMA = lxml.etree.RelaxNG(file=str(Path(__file__).with_name("junit.rng")))
_LINE = jsonschema.Draft202012Validator(json.loads((ROOT / "docs/report-lines.schema.json").read_text()))

GOOD = frozenset({"pass", "info", "warn"})
BAD = frozenset({"fail", "error", "timeout", "crash"})
NOTHING = frozenset({"skip", "not_run", "unfinished"})
GROUPS = {"good": GOOD, "bad": BAD, "nothing": NOTHING}

#: Seconds; who says least says two digits behind the point.
_PRECISION = 0.0056


class Case(NamedTuple):
    """What a report says of a task."""

    verdicts: frozenset[str]  #: one of these; of what a format does not tell apart there are several
    seconds: float | None
    flaky: bool | None = None  #: None: the format does not say


NONE = Case(frozenset(), None)


class Read(NamedTuple):
    """What a report says. Names are as `safe` shows them."""

    cases: dict[str, Case]
    counts: dict[str, int]  #: those that it gives of `tasks`, `good`, `bad`, `nothing`
    leaves_out: frozenset[str] = frozenset()  #: tasks of these verdicts may not be told


def junit(text: str) -> Read:
    """Through junitparser; lxml proves that it is valid."""
    root = lxml.etree.fromstring(text.encode())
    assert _SCHEMA.validate(root), _SCHEMA.error_log
    cases = {}
    kinds: Counter[str] = Counter()
    report = junitparser.JUnitXml.fromstring(text.encode())
    for suite in report:
        directory = suite.name.removeprefix(report.name).removeprefix("/")
        told = Counter[str]()
        for case in suite:
            name = f"{directory}/{case.name}" if directory else case.name
            assert safe(name) not in cases, name
            (result,) = case.result or (None,)
            verdicts = GOOD if result is None else frozenset({result.type})
            kind = "tests" if result is None else type(result).__name__.lower()
            assert result is None or verdicts <= {"failure": {"fail"}, "error": BAD, "skipped": NOTHING}[kind]
            told.update({kind: 1} if kind != "tests" else {})
            cases[safe(name)] = Case(verdicts, case.time, case._elem.find("flakyFailure") is not None)
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (
            len(list(suite)),
            told["failure"],
            told["error"],
            told["skipped"],
        )
        kinds += told
    assert (report.failures, report.errors) == (kinds["failure"], kinds["error"])
    return Read(cases, {"tasks": report.tests, "bad": report.failures + report.errors, "nothing": kinds["skipped"]})


_POINT = re.compile(r"^(?:not )?ok \d+ - ((?:[^#\\\n]|\\.)*?)(?: # SKIP.*)?$", re.MULTILINE)


def _unescaped(name: str) -> str:
    said = re.sub(r"\\([\\#])", r"\1", name)
    return re.sub(r"(?i)(#\s*)\\(?=skip|todo)", r"\1", said)  # so that nobody takes it for a directive


def tap(text: str) -> Read:
    """Through tap.py, which knows of no subtests: our own reader is tested elsewhere."""
    cases = {}
    planned = None
    names = iter([_unescaped(name) for name in _POINT.findall(text)])  # tap.py ends a name at any #
    for line in Parser().parse_text(text):
        if line.category == "plan":
            planned = line.expected_tests
        if line.category == "test":
            name = next(names)
            about = line.yaml_block
            verdict = about["verdict"] or "unfinished"
            assert line.ok == (verdict in GOOD | {"skip", "not_run"})
            # It takes what comes after an escaped # for a directive, and sees none beyond.
            assert line.skip == (verdict in ("skip", "not_run")) or "#" in name
            assert line.number == len(cases) + 1
            cases[name] = Case(frozenset({verdict}), about["seconds"])
    assert planned == len(cases)
    return Read(cases, {"tasks": planned})


def jsonl(text: str) -> Read:
    """Each line is valid by our own schema; the end mark proves that nothing is missing."""
    cases: dict[str, Case] = {}
    *lines, end = map(json.loads, text.splitlines())
    for line in (*lines, end):
        _LINE.validate(line)
    assert end["type"] == "end"
    assert end["events"] == len(lines)
    verdicts: dict[str, str] = {}
    for line in lines:
        if line["type"] == "result":
            name = safe(line["task"])
            if line["verdict"] == "not_run" and cases.get(name, NONE).verdicts - {"not_run"}:
                continue  # of merged runs an earlier one tells more
            cases[name] = Case(frozenset({line["verdict"]}), line["seconds"] or 0.0)
            verdicts[name] = line["verdict"]
    counts = Counter(end["verdicts"])
    assert Counter(verdicts.values()) + Counter(unfinished=counts["unfinished"]) == counts
    told = {name: sum(counts[one] for one in group) for name, group in GROUPS.items()}
    return Read(cases, {"tasks": end["tasks"], **told}, frozenset({"unfinished"}))


_ROW = re.compile(r"\| ([a-z ]+?)(, flaky)?(?:, run \d+)? \| (.*) \| (\S+) \| (.*) \|")


def markdown(text: str) -> Read:
    """The table; a person reads the rest."""
    (counted,) = re.findall(r"^(\d+) tasks: (.*); in ", text, re.MULTILINE)
    counts = Counter({word.replace(" ", "_"): int(n) for n, word in re.findall(r"(\d+) ([a-z ]+)", counted[1])})
    cases = {}
    in_table = False
    for line in text.splitlines():
        if line == "|---|---|---|---|":
            in_table = True
        elif in_table and (row := _ROW.fullmatch(line)) is not None:
            verdict, flaky, name, seconds, _ = row.groups()
            name = re.sub(r"\\(.)", r"\1", name.replace("<!-- -->", ""))  # that of a name is escaped
            number = float(seconds.removesuffix("s")) if seconds != "-" else 0.0
            cases[name] = Case(frozenset({verdict.replace(" ", "_")}), number, bool(flaky))
    told = {name: sum(counts[one] for one in group) for name, group in GROUPS.items()}
    more = re.search(r"^(\d+) more are not listed", text, re.MULTILINE)
    assert len(cases) + int(more[1] if more else 0) == int(counted[0])
    return Read(cases, {"tasks": int(counted[0]), **told}, GOOD | NOTHING if more else frozenset())


def html(text: str) -> Read:
    """The tree of all tasks, and the counts above it."""
    root = lxml.etree.fromstring(text.encode(), lxml.etree.XMLParser(huge_tree=True))
    counts: Counter[str] = Counter()
    for number, word in root.xpath("//ul[@class='tiles']/li"):
        if word.text != "of them flaky":
            counts[word.text.replace(" ", "_")] = int(number.text)
    cases = {}
    for row in root.xpath("//ul[@class='tree']//*[(self::div[@class='row'] or self::summary) and b]"):
        above = row.xpath("ancestor::details/summary[not(b)]/span[@class='n']")
        name = "".join(one.text for one in above) + "".join(row.find("*[@class='n']").itertext())
        seconds = row.find("span[@class='s']").text
        number = float(seconds.removesuffix("s")) if seconds != "-" else 0.0
        cases[safe(name)] = Case(frozenset({row.find("b").text.replace(" ", "_")}), number)
    told = {name: sum(counts[one] for one in group) for name, group in GROUPS.items()}
    return Read(cases, {"tasks": counts.total(), **told})


def trace(text: str) -> Read:
    """The newest slice of each task, and those that never ran."""
    document = json.loads(text)
    cases = {safe(name): Case(frozenset({said}), None) for name, said in document["otherData"]["never_ran"].items()}
    for event in document["traceEvents"]:
        if event.get("cat") == "task":
            cases[safe(event["name"])] = Case(frozenset({event["args"].get("verdict", "unfinished")}), None)
    return Read(cases, {"tasks": len(cases)})


#: By the name of the format's option.
READERS: dict[str, Callable[[str], Read]] = {
    "junit": junit,
    "tap": tap,
    "jsonl": jsonl,
    "md": markdown,
    "html": html,
    "trace": trace,
}


def contradictions(one: Read, other: Read) -> list[str]:
    """Where two reports say different things."""
    found = []
    for name in sorted(one.cases.keys() | other.cases.keys()):
        here, there = one.cases.get(name), other.cases.get(name)
        if here is None or there is None:
            known = here or there
            assert known is not None
            if not known.verdicts & (one if here is None else other).leaves_out:
                found.append(f"{name}: only one of them knows it")
            continue
        if not here.verdicts & there.verdicts:
            found.append(f"{name}: {sorted(here.verdicts)} and {sorted(there.verdicts)}")
        if None not in (here.flaky, there.flaky) and here.flaky != there.flaky:
            found.append(f"{name}: flaky {here.flaky} and {there.flaky}")
        if None not in (here.seconds, there.seconds) and abs(here.seconds - there.seconds) > _PRECISION:
            found.append(f"{name}: it took {here.seconds} and {there.seconds} seconds")
    for group in one.counts.keys() & other.counts.keys():
        here_, there_ = one.counts[group], other.counts[group]
        found += [f"{group}: {here_} and {there_}"] if here_ != there_ else []
    return found


def reports_of(box: Box, run: int, *options: str) -> dict[str, Read]:
    """All reports of a run, as their readers have them."""
    files = [word for kind in KINDS for word in (f"--{kind}", str(box.directory / f"agree.{kind}"))]
    done = box.pexen("report", "-r", str(run), *options, *files)
    assert done.code == 0, done.err
    return {kind: READERS[kind]((box.directory / f"agree.{kind}").read_text("utf-8")) for kind in KINDS}


def agree(reports: Mapping[str, Read]) -> None:
    """Each with each other."""
    for one, other in itertools.combinations(reports, 2):
        assert contradictions(reports[one], reports[other]) == [], (one, other)


def agree_with_the_journal(reports: Mapping[str, Read], rows: Iterable[tuple[str, str | None, int]]) -> None:
    """`rows`: task, verdict, flaky."""
    tasks = {safe(key): (verdict or "unfinished", bool(flaky)) for key, verdict, flaky in rows}
    for kind, report in reports.items():
        assert report.cases.keys() <= tasks.keys(), kind
        for key, (verdict, flaky) in tasks.items():
            if verdict in report.leaves_out and key not in report.cases:
                continue
            assert verdict in report.cases[key].verdicts, (kind, key)
            assert report.cases[key].flaky in (None, flaky), (kind, key)
