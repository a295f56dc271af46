"""`pexen report --html` and `--trace`: of real runs, and the page as a real browser sees it."""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.cli.box import Box
from tests.cli.browser import OPTIONS, PROGRAM, browser
from tests.cli.hostility import STRINGS
from tests.cli.killing import kill_in_the_middle

in_a_browser = pytest.mark.skipif(PROGRAM is None, reason="this machine has no Chromium to look at the page with")

SCRIPTS = {
    "net/pass": "echo fine",
    "net/parts": "echo log > a.log; pexen result one pass --file a.log; pexen result two fail --note 'no <b>bold</b>'",
    "net/deep/fail": "echo '</pre><script>alert(1)</script>'; echo x > \"$PEXEN_ARTIFACTS/du#mp?.txt\"; exit 1",
    "net/deep/skip": "exit 77",
    "error": "exit 99",
    "slow": "sleep 30",
    "warns": "pexen result x warn",
    "not_run": "exit 0",
    "crash": "kill -9 $PPID; sleep 30",
    "flaky": 'test -e "$PEXEN_DATA/was" || { : > "$PEXEN_DATA/was"; exit 1; }',
}


def seen(page: Path, directory: Path) -> tuple[str, list[str]]:
    """The document as the browser has it in the end, and what it said on its console."""
    assert PROGRAM is not None
    options = [*OPTIONS, "--enable-logging=stderr"]
    done = subprocess.run(
        [PROGRAM, *options, f"--user-data-dir={directory}", "--dump-dom", page.as_uri()],
        capture_output=True,
        env={**os.environ, "HOME": str(directory)},
        timeout=120,
    )
    console = [line for line in done.stderr.decode(errors="replace").splitlines() if "CONSOLE" in line]
    return done.stdout.decode(), console


@pytest.fixture
def run(box: Box) -> Box:
    box.file(
        "suite/pexen.toml",
        '[run]\njournal = "../.pexen/journal.db"\n[tasks.slow]\ntimeout = "1s"\nprovides = ["slow"]\n'
        '[tasks.not_run]\nrequires = ["slow"]\n[tasks.flaky]\nretries = 1\n',
    )
    for name, script in SCRIPTS.items():
        box.script(f"suite/{name}", script)
    assert box.pexen("run", "suite").code == 1
    return box


def test_the_page_says_what_the_journal_says_and_its_links_lead_to_files(run: Box):
    (run.directory / "out").mkdir()

    assert run.pexen("report", "--html", "out/page.html", "--trace", "out/trace").code == 0

    root = ElementTree.parse(run.directory / "out/page.html").getroot()
    verdicts = dict(run.sql("SELECT task, verdict FROM tasks"))
    bad = {key for key, verdict in verdicts.items() if verdict in ("fail", "error", "timeout", "crash")}
    assert {title.text for title in root.iter("h3")} == bad
    tiles = next(one for one in root.iter("ul") if one.get("class") == "tiles")
    counted = {tile[1].text: int(tile[0].text or "") for tile in tiles}
    assert counted.pop("of them flaky") == 1
    words = [verdict.replace("_", " ") for verdict in verdicts.values()]
    assert counted == {word: words.count(word) for word in words}
    links = [link.get("href", "") for link in root.iter("a") if not link.get("href", "").startswith("#")]
    assert all((run.directory / "out" / unquote(link)).is_file() for link in links)
    assert {unquote(link).rpartition("/")[2] for link in links} >= {"output.log", "a.log", "du#mp?.txt", "evidence.txt"}
    slices = [
        one for one in json.loads((run.directory / "out/trace").read_text())["traceEvents"] if one.get("cat") == "task"
    ]
    assert len(slices) == run.sql("SELECT count(*) FROM attempts WHERE started_at IS NOT NULL")[0][0]


def test_earlier_runs_and_what_is_unsteady_are_told(run: Box):
    (run.directory / "suite/net/pass").write_text("#!/bin/sh\nexit 1\n")
    run.pexen("run", "suite")

    first = run.pexen("report", "1", "--html", "-").out
    second = run.pexen("report", "2", "--html", "-").out

    assert "This is the first run of its suite that the journal knows." in first
    root = ElementTree.fromstring(second.encode())
    texts = ["".join(one.itertext()) for one in root.iter("p")]
    assert [text for text in texts if "In the newest 2 runs: PF;" in text]
    headings = [one.text for one in root.iter("h2")]
    assert "Flaky" in headings


def test_a_run_that_was_killed_and_goes_on_is_told_as_it_was(box: Box):
    box.script("suite/1")
    box.script("suite/2", "test ! -e ../gate || cat ../gate")
    kill_in_the_middle(box, "run", "suite")

    before = box.pexen("report", "--html", "-").out
    box.pexen("resume")
    after = box.pexen("report", "--html", "-", "--trace", "trace").out

    assert "unfinished" in before
    root = ElementTree.fromstring(after.encode())
    gaps = ["".join(one.itertext()) for one in root.iter("rect") if one.get("class") == "gap"]
    assert [gap.split(",")[0] for gap in gaps] == ["the runner was killed"]
    instants = [
        one["name"] for one in json.loads((box.directory / "trace").read_text())["traceEvents"] if one["ph"] == "i"
    ]
    assert instants == ["interrupted"]


@in_a_browser
def test_a_browser_has_nothing_to_say_about_the_page(run: Box, tmp_path: Path):
    run.pexen("run", "suite")
    run.pexen("report", "--html", "page.html")

    document, console = seen(run.directory / "page.html", tmp_path / "profile")

    assert console == []
    assert "<title>suite: run 2</title>" in document
    assert document.count("<article") == 5
    assert "<script" not in document


@in_a_browser
def test_in_a_browser_hostile_names_and_outputs_stay_text(box: Box, tmp_path: Path):
    lines = []
    for number, name in enumerate(STRINGS):
        box.file(f"outputs/{number}", name)
        shown = name.decode("utf-8", "replace").replace("\0", "")
        lines.append(json.dumps({"name": f"{number} {shown}", "cmd": f"cat outputs/{number}; exit 1"}))
    box.file("s.jsonl", "\n".join(lines))
    box.pexen("run", "s.jsonl", "--name", "</title><script>alert(1)</script>")
    box.pexen("report", "--html", "page.html")

    document, console = seen(box.directory / "page.html", tmp_path / "profile")

    assert console == []
    assert document.count("<article") == len(STRINGS)
    assert "<script" not in document
    assert "<img" not in document
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in document


_FOCUSED = """(() => {
  const one = document.activeElement, place = one.getBoundingClientRect(), look = getComputedStyle(one);
  const all = [...document.querySelectorAll("*")];
  return {tag: one.tagName, nth: all.indexOf(one), outline: look.outlineStyle,
    seen: place.width > 0 && place.bottom > 0 && place.top < innerHeight && place.right > 0};
})()"""


@in_a_browser
def test_whoever_has_a_keyboard_alone_gets_everywhere_and_sees_where_they_are(run: Box, tmp_path: Path):
    run.pexen("report", "--html", "page.html")
    with browser(tmp_path / "profile") as page:
        page.open(run.directory / "page.html")
        order = []
        for _ in range(1000):
            page.press("Tab")
            focused = page.ask(_FOCUSED)
            if focused["tag"] == "BODY":
                break
            assert focused["outline"] == "solid", focused
            assert focused["seen"], focused
            order.append(focused["nth"])
        assert order == sorted(set(order)), "in the order of the page, each once"
        links = page.ask(
            "[...document.querySelectorAll('a:not([tabindex]),summary')].filter(e => e.checkVisibility()).length"
        )
        assert len(order) >= links

        page.open(run.directory / "page.html")
        page.press("Tab")
        page.press("Enter")
        assert page.ask("location.hash") == "#tasks"
        page.press("Tab")
        assert page.ask("document.activeElement.closest('.tree') !== null"), "the link at the top skips to the tasks"

        while page.ask("document.activeElement.tagName") != "SUMMARY":
            page.press("Tab")
        states = []
        for key in ("Enter", " ", "Enter"):
            page.press(key)
            states.append(page.ask("document.activeElement.parentElement.open"))
        assert states in ([True, False, True], [False, True, False])
        assert page.complaints == []


@in_a_browser
def test_on_paper_nothing_is_folded_away_and_nothing_runs_over_the_edge(run: Box, tmp_path: Path):
    run.pexen("report", "--html", "page.html")
    with browser(tmp_path / "profile") as page:
        page.open(run.directory / "page.html")
        page.do("Emulation.setDeviceMetricsOverride", width=720, height=1000, deviceScaleFactor=1, mobile=False)
        page.do("Emulation.setEmulatedMedia", media="print")

        rows = "[...document.querySelectorAll('.tree .body, .tree .row')]"
        hidden = f"{rows}.filter(e => e.getBoundingClientRect().height == 0)"
        assert page.ask("document.querySelectorAll('details:not([open])').length") > 0
        assert page.ask(f"{hidden}.length") == 0
        assert page.ask("document.documentElement.scrollWidth <= innerWidth")
        assert page.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
