"""The page: what it says, that text stays text, and that it does not grow out of hand."""

from __future__ import annotations

import html.parser
import re
import xml.etree.ElementTree as ElementTree
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.journal.paths import key_bytes
from pexen_state.report.formats.html.look import STYLE
from pexen_state.report.formats.html.markup import address, tag
from pexen_state.report.text import visible
from tests.cli.hostility import STRINGS
from tests.report.pages import around, attempt, parsed, session, task, whole, with_class, words, written

MOST_BYTES = 10_000_000


class Lenient(html.parser.HTMLParser):
    """What a browser would take for elements, attributes and text."""

    def __init__(self, said: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(said)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters()), st.text(st.characters()))
def test_any_text_stays_text_within_an_element_and_within_an_attribute(content: str, title: str):
    said = tag("p", content, title=title)

    found = Lenient(said)
    assert found.tags == [("p", [("title", visible(title))])]
    assert found.text == visible(content)
    element = ElementTree.fromstring(said)
    assert (element.text or "", element.get("title")) == (visible(content), visible(title))


@given(st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_an_address_is_relative_whatever_the_file_is_called(path: str):
    found = urlsplit(address(path.lstrip("/")))

    assert (found.scheme, found.netloc, found.query, found.fragment) == ("", "", "", "")
    assert unquote_to_bytes(found.path).removeprefix(b"./").removeprefix(b"../") in (
        key_bytes(path.lstrip("/")),
        key_bytes(path.lstrip("/")).removeprefix(b"./").removeprefix(b"../"),
    )


def test_what_tasks_are_called_and_say_is_on_the_page_as_text_alone(tmp_path: Path):
    names = [one.decode("utf-8", "backslashreplace") for one in STRINGS]
    (tmp_path / "log").write_bytes(b"\n".join(STRINGS))
    tasks = []
    for number, name in enumerate(names, 1):
        one = task(number, f"{number}{name}", "fail", [attempt(1, 0, 1, output="log")], reason=name)
        one.parts = [{"verdict": "fail", "name": name, "note": name, "metrics": {name: 1}, "files": [name]}]
        tasks.append(one)
    found = whole(tasks, tmp_path, name=names[0])

    said = written(found)

    root = parsed(said)
    seen = Lenient(said)
    assert {name for name, _ in seen.tags} <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "a",
            "header",
            "h1",
            "p",
            "dl",
            "div",
            "dt",
            "dd",
            "nav",
            "ul",
        ),
        *(
            "li",
            "main",
            "b",
            "span",
            "svg",
            "rect",
            "path",
            "line",
            "text",
            "h2",
            "h3",
            "article",
            "pre",
            "code",
            "details",
        ),
        *("summary", "table", "thead", "tbody", "tr", "th", "td", "footer"),
    }
    attributes = {name for _, those in seen.tags for name, _ in those}
    assert not {name for name in attributes if name.startswith("on")} | attributes & {
        "style",
        "src",
        "srcset",
        "action",
    }
    assert [words(one) for one in root.iter("h3")] == [visible(one.key) for one in tasks]
    for link in root.iter("a"):
        assert link.get("href", "").startswith(("#", "./", "../"))


def test_a_browser_is_told_to_load_nothing_and_to_run_nothing(tmp_path: Path):
    root = parsed(written(whole([], tmp_path)))

    (policy,) = [one.get("content", "") for one in root.iter("meta") if one.get("http-equiv")]
    style = next(root.iter("style")).text or ""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style
    assert "@import" not in style
    assert "The run has no tasks." in words(root)


def test_colours_have_enough_contrast_in_light_and_in_dark():
    def luminance(colour: str) -> float:
        colour = "".join(2 * one for one in colour) if len(colour) == 3 else colour
        parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    schemes = [dict(re.findall(r"--([\w-]+):#(\w+);", part)) for part in STYLE.split("@media", 2)[:2]]
    assert len(schemes) == 2
    for colours in schemes:
        pairs = [(name, f"{name}-bg") for name in colours if f"{name}-bg" in colours]
        pairs += [(ink, paper) for ink in ("fg", "soft", "link") for paper in ("bg", "card", "code")]
        assert len(pairs) == 19
        for ink, paper in pairs:
            light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{ink} on {paper}"


def test_every_link_within_the_page_leads_somewhere_and_no_place_is_there_twice(tmp_path: Path):
    tasks = [
        task(1, "a/one", "pass", [attempt(1, 0, 0.1)]),
        task(2, "a/two", "fail", [attempt(1, 0.2, 0.1)], reason="exit 1"),
        task(3, "b", "not_run", reason="requires x"),
        task(4, "c", "warn", [attempt(1, 0.3, 0.2)], flaky=1),
        task(5, "d", None, [attempt(1, 0.6, 0, state="running", ended_at=None)]),
    ]
    found = whole(tasks, tmp_path)
    beside = around(found, **{"a/one": {"provides": ("x",)}, "b": {"requires": ("x",)}, "c": {"after": ("a/*",)}})

    root = parsed(written(found, beside))

    places = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(places) == len(set(places))
    targets = {one.get("href", "")[1:] for one in root.iter("a") if one.get("href", "").startswith("#")}
    assert targets <= set(places)
    assert {f"t{number}" for number in range(1, 6)} <= targets
    edges = [one for one in root.iter("path") if "edge" in (one.get("class") or "")]
    assert sorted(one.get("class") for one in edges) == ["edge", "edge after", "edge after"]
    tiles = [words(one) for one in with_class(root, "tiles")[0]]
    assert tiles == ["1fail", "1warn", "1not run", "1pass", "1unfinished", "1of them flaky"]


def test_a_reboot_is_a_gap_of_the_timeline_however_long_it_took(tmp_path: Path):
    tasks = [task(1, "one", "pass", [attempt(1, 0, 10)]), task(2, "two", "pass", [attempt(1, 90_000, 10, session=2)])]
    sessions = [session(1, 0, 10, how="rebooted"), session(2, 90_000, 10, boot="two")]

    root = parsed(written(whole(tasks, tmp_path, sessions)))

    (gap,) = with_class(root, "gap")
    assert words(gap) == "reboot, 1d00h"
    first, second = (one for one in root.iter("rect") if one.get("rx") == "1.5")
    begin, end = float(gap.get("x", "")), float(gap.get("x", "")) + float(gap.get("width", ""))
    assert float(first.get("x", "")) + float(first.get("width", "")) <= begin < end <= float(second.get("x", ""))
    assert first.get("width") == second.get("width")


def test_a_clock_that_went_back_over_a_reboot_moves_nothing_before_what_was_earlier(tmp_path: Path):
    tasks = [task(1, "one", "pass", [attempt(1, 0, 10)]), task(2, "two", "pass", [attempt(1, -5000, 10, session=2)])]
    sessions = [session(1, 0, 10, how="crashed"), session(2, -5000, 10, boot="two")]

    root = parsed(written(whole(tasks, tmp_path, sessions)))

    places = [float(one.get("x", "")) for one in root.iter("rect") if one.get("rx") == "1.5"]
    assert places == sorted(places)
    assert words(with_class(root, "gap")[0]) == "the box crashed, 0.0s"


def test_words_of_the_timeline_are_never_written_over_each_other(tmp_path: Path):
    one = task(1, "one", "pass", [attempt(1, 0, 100)])
    sessions = [session(1, 0, 100, how="crashed")]
    sessions += [session(nth, 200 * nth, 0.01, boot=str(nth), how="crashed") for nth in range(2, 12)]

    root = parsed(written(whole([one], tmp_path, sessions)))

    (picture,) = with_class(root, "time")
    told = [one for one in picture.iter("text") if "crashed" in words(one)]
    assert 3 <= len(told) < 10
    places = [(one.get("y"), float(one.get("x", "")), float(one.get("x", "")) + 5.5 * len(words(one))) for one in told]
    for row, begin, end in places:
        assert 0 <= begin < end <= 1000
        assert not [other for other in places if other[0] == row and begin < other[1] < end]
    assert len(with_class(root, "gap")) == 10


def test_who_was_cut_off_before_it_was_known_to_run_is_drawn_where_its_session_ended(tmp_path: Path):
    lost = attempt(1, 3, 0, worker=None, started_at=None, state="lost", cause="box_died_alone") | {"seconds": None}
    tasks = [task(1, "well", "pass", [attempt(1, 0, 3)]), task(2, "panics", "crash", [lost])]

    root = parsed(written(whole(tasks, tmp_path, [session(1, 0, 3, how="crashed")])))

    assert [words(one) for one in with_class(root, "time")[0].iter("title")] == [
        "well: pass, 3.00s",
        "panics: crash, cut off as it began",
    ]


def test_what_is_left_out_is_told(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"first\n" + b"line\n" * 100_000 + b"last\n")
    one = task(1, "one", "fail", [attempt(1, 0, 1, output="log")])
    one.parts = [
        {"verdict": "pass", "name": f"part {number}", "note": None, "metrics": {}, "files": []} for number in range(500)
    ]

    root = parsed(written(whole([one], tmp_path)))

    (shown,) = root.iter("pre")
    assert words(shown).endswith("line\nlast")
    assert len(words(shown)) <= 16 * 1024
    said = words(with_class(root, "card")[0])
    assert "The last 16.0 KiB of 488.3 KiB of output; all of it or pexen logs 1 one" in said
    assert "400 more parts are not listed here: pexen show 1 one" in said


def test_what_was_said_of_a_part_has_its_lines_and_only_what_may_scroll_is_a_stop_of_the_keyboard(tmp_path: Path):
    (tmp_path / "short").write_bytes(b"one line\n")
    (tmp_path / "long").write_bytes(b"line\n" * 100)
    one = task(1, "one", "fail", [attempt(1, 0, 1, output="short")])
    one.parts = [{"verdict": "fail", "name": "p", "note": "got: 1\n\nno\x1b[31m", "metrics": {"n": 3.0}, "files": []}]
    two = task(2, "two", "fail", [attempt(1, 0, 1, output="long")])

    root = parsed(written(whole([one, two], tmp_path)))

    (note,) = with_class(root, "w")
    assert words(note) == "got: 1\n\nno"
    assert "p got: 1\n\nno n=3" in words(with_class(root, "parts")[0])
    assert [(pre.get("tabindex"), pre.get("role")) for pre in root.iter("pre")] == [(None, "group"), ("0", "group")]


def test_ten_thousand_tasks_that_all_failed_and_printed_much_are_less_than_ten_megabytes(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"<&>\x1b\xff" * 8000)
    tasks = []
    for number in range(1, 10_001):
        key = f"area{number % 20}/directory{number % 200}/test_number_{number}"
        attempts = [attempt(nth, number / 50 + nth / 100, 0.01, worker=number % 8, output="log") for nth in (1, 2)]
        one = task(number, key, "fail", attempts, reason="exit 1")
        one.parts = [
            {"verdict": "fail", "name": f"part {part}", "note": "it was so", "metrics": {"mb_s": 412.5}, "files": []}
            for part in range(10)
        ]
        tasks.append(one)
    found = whole(tasks, tmp_path, [session(1, 0, 250)])
    beside = around(found, **{one.key: {"provides": (one.key,), "requires": (tasks[0].key,)} for one in tasks[1:]})

    said = written(found, beside)

    assert len(said.encode()) < MOST_BYTES
    root = parsed(said)
    assert len(list(root.iter("article"))) == 2000
    assert "More went wrong: after 2000 of them, the others are in the tree below." in words(root)
    assert "left out, because the page would be too large" in words(root)


def test_a_name_may_have_any_depth(tmp_path: Path):
    root = parsed(written(whole([task(1, "a/" * 3000 + "b"), task(2, "a/" * 3000 + "c")], tmp_path)))

    assert [words(one) for one in with_class(root, "n")][-1].endswith("a/c")
