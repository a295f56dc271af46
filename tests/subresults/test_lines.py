"""Lines of PEXEN_RESULTS: what they may say, and what becomes of those that say something else."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.subresults.attachments import NotTaken, taken
from pexen_state.subresults.collecting import ARTIFACTS, FILE, collected
from pexen_state.subresults.lines import parsed


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    (tmp_path / "1" / ARTIFACTS).mkdir(parents=True)
    return tmp_path / "1"


def report(attempt: Path, *lines: object) -> list[tuple[str, str, str | None]]:
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    (attempt / FILE).write_text(text)
    return [(one.name, one.verdict.word, one.note) for one in collected(str(attempt))]


def test_a_line_is_a_result(attempt: Path):
    assert report(
        attempt,
        {"name": "sub/one", "verdict": "warn", "note": "slow"},
        {"name": "sub/two", "verdict": "PASS", "metrics": {"mb_s": 412.5}, "of": "tomorrow"},
    ) == [("sub/one", "warn", "slow"), ("sub/two", "pass", None)]
    assert collected(str(attempt))[1].metrics == {"mb_s": 412.5}


def test_a_name_may_repeat_but_takes_the_place_of_a_partial_one(attempt: Path):
    assert report(
        attempt,
        {"name": "a", "verdict": "fail", "partial": True},
        {"name": "b", "verdict": "pass"},
        {"name": "b", "verdict": "fail"},
        {"name": "a", "verdict": "pass"},
        {"name": "dies", "verdict": "error", "partial": True},
    ) == [("b", "pass", None), ("b", "fail", None), ("a", "pass", None), ("dies", "error", None)]


def test_lines_that_cannot_be_read_are_one_warning_that_shows_them(attempt: Path):
    found = report(attempt, '{"name": "a", "verdict": "pass"}', "junk", "", '{"verdict": "pass"}', '{"name": "b"', "[]")

    assert found[0] == ("a", "pass", None)
    (_, verdict, note) = found[1]
    assert len(found) == 2
    assert verdict == "warn"
    assert note is not None
    assert note.splitlines()[0] == "4 lines could not be read"
    assert note.splitlines()[1].endswith("junk")
    assert note.splitlines()[1].startswith("line 2: it is no JSON")
    assert note.splitlines()[-1] == "... and 1 more"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"verdict": "pass"}, "it has no name"),
        ({"name": "a", "verdict": "pas"}, "'pas' is no verdict. Did you mean 'pass'? There are: skip info"),
        ({"name": "a", "verdict": "not_run"}, "'not_run' is no verdict."),
        ({"name": "a", "verdict": "pass", "note": 3}, "its note is no text"),
        ({"name": "a", "verdict": "pass", "files": "a.log"}, "files is a list of their names"),
        ({"name": "a", "verdict": "pass", "metrics": {"a": "fast"}}, "the metric 'a' is no number"),
        ({"name": "a", "verdict": "pass", "metrics": {"a": True}}, "the metric 'a' is no number"),
        (
            {"name": "a", "verdict": "pass", "metrics": {"a": 10**400}},
            "the metric 'a' is no number, or one that is too large",
        ),
        ({"name": "a", "verdict": "pass", "partial": "yes"}, "partial is true or false"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(said, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        parsed(json.dumps(said))


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_no_line_breaks_it(line):
    with suppress(ValueError):
        assert parsed(line).result.name


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.just(10**400)
    | st.text(st.characters(categories=None)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(categories=None)), inner, max_size=3)
    ),
    max_leaves=6,
)
name = st.text(st.characters(categories=None), min_size=1) | st.sampled_from(
    ["\ud800", "a/\ud800", "/\ud800", "a" * 5000]
)
reported = st.fixed_dictionaries(
    {"name": name, "verdict": st.just("pass")},
    optional={
        "note": anything | name,
        "metrics": st.dictionaries(name, st.integers() | st.just(-(10**400)), max_size=2) | anything,
        "files": st.lists(name, max_size=3) | anything,
        "partial": st.booleans() | anything,
    },
)


@given(st.lists(reported | anything, max_size=5))
def test_whatever_json_says_is_a_result_or_a_warning_and_never_harms_who_reads_it(said: list[object]):
    with tempfile.TemporaryDirectory() as directory:
        text = "".join(f"{json.dumps(one)}\n" for one in said)
        Path(directory, FILE).write_text(text)

        found = collected(directory, cwd=directory)

        assert bool(found) == bool(said)
        assert all(one.name and (one.note is None or len(one.note) < 20_000) for one in found)


def test_what_is_no_regular_file_is_not_read(attempt: Path, tmp_path: Path):
    (tmp_path / "elsewhere").write_text('{"name": "a", "verdict": "pass"}\n')
    (attempt / FILE).symlink_to(tmp_path / "elsewhere")
    assert [one.verdict.word for one in collected(str(attempt))] == ["warn"]
    (attempt / FILE).unlink()
    os.mkfifo(attempt / FILE)
    assert collected(str(attempt)) == []


def test_a_file_among_the_artifacts_stays_where_it_is_and_another_one_is_copied_there(attempt: Path, tmp_path: Path):
    artifacts = str(attempt / ARTIFACTS)
    (attempt / ARTIFACTS / "deep").mkdir()
    (attempt / ARTIFACTS / "deep" / "a.log").write_text("here")
    (tmp_path / "a.log").write_text("there")
    (attempt / ARTIFACTS / "a.log").write_text("older")

    assert taken("deep/a.log", artifacts, str(tmp_path)) == "deep/a.log"
    assert taken(f"{artifacts}/deep/../deep/a.log", artifacts, None) == "deep/a.log"
    assert taken(str(tmp_path / "a.log"), artifacts, None) == "a-2.log"
    assert taken("../../../a.log", artifacts, f"{artifacts}/deep") == "a-3.log"
    assert {path.read_text() for path in (attempt / ARTIFACTS).glob("a*.log")} == {"older", "there"}


def test_links_are_followed_neither_to_a_file_nor_to_where_it_goes(attempt: Path, tmp_path: Path):
    secret, outside = tmp_path / "secret", tmp_path / "outside"
    secret.write_text("secret")
    outside.mkdir()
    artifacts = attempt / ARTIFACTS
    (artifacts / "link").symlink_to(secret)
    (artifacts / "way").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe")

    for name in (
        "link",
        "way/link",
        str(tmp_path / "link"),
        str(tmp_path / "pipe"),
        str(tmp_path / "none"),
        "/dev/zero",
    ):
        with pytest.raises(NotTaken):
            taken(name, str(artifacts), str(tmp_path))
    artifacts.rename(tmp_path / "was")
    artifacts.symlink_to(outside)
    with pytest.raises(NotTaken):
        taken(str(secret), str(artifacts), None)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "/\ud800", "\ud800/a"])
def test_what_no_file_can_be_called_is_refused(attempt: Path, name: str):
    with pytest.raises(NotTaken, match="no file can be called so"):
        taken(name, str(attempt / ARTIFACTS), str(attempt))


def test_a_file_that_cannot_be_had_is_named_in_the_note(attempt: Path):
    assert report(attempt, {"name": "a", "verdict": "pass", "files": ["gone.log"]}) == [
        ("a", "pass", "not attached: there is no gone.log among its artifacts")
    ]
