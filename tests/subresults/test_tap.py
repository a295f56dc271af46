"""The Test Anything Protocol, in the dialects in which it is spoken."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.states import Verdict
from pexen_state.subresults import tap

PROVE = shutil.which("prove")


def read(text: str) -> list[tuple[str, str, str | None]]:
    return [(one.name, one.verdict.word, one.note) for one in tap.results(text.splitlines())]


def names(text: str) -> list[tuple[str, str]]:
    return [(name, verdict) for name, verdict, _ in read(text)]


def test_points_have_their_description_for_a_name_or_else_their_number():
    assert names("TAP version 13\n1..4\nok 1 - opens\nok 2 closes\nnot ok\nok - # only a comment\n") == [
        ("opens", "pass"),
        ("closes", "pass"),
        ("test 3", "fail"),
        ("# only a comment", "pass"),
    ]


def test_directives_change_what_a_point_means():
    assert read(
        "1..5\nok 1 - disk # SKIP no such disk\nnot ok 2 - later # TODO not written yet\nok 3 - early # todo\n"
        "not ok 4 - known # XFAIL bug 7\nok 5 - a \\# is no directive\n"
    ) == [
        ("disk", "skip", "no such disk"),
        ("later", "info", "expected: not written yet"),
        ("early", "pass", "todo"),
        ("known", "info", "expected: bug 7"),
        ("a # is no directive", "pass", None),
    ]


def test_what_diagnoses_a_failure_is_its_note():
    text = """TAP version 14
1..2
not ok 1 - adds up
#   Failed test 'adds up'
#   at sum.t line 3.
not ok 2 - divides
  ---
  got: 3
  expected: 4
  ...
ok lines that come then are points, too
"""
    assert read(text)[:2] == [
        ("adds up", "fail", "Failed test 'adds up'\n  at sum.t line 3."),
        ("divides", "fail", "got: 3\nexpected: 4"),
    ]


def test_fewer_points_than_planned_fail():
    assert read("1..3\nok 1\nok 2\n")[-1] == ("plan", "fail", "3 planned, 2 run")
    assert read("ok 1\n")[-1] == ("plan", "fail", "there was no plan")
    assert read("") == [("plan", "fail", "no test was run, and none was planned")]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("1..0 # SKIP no network\nok 1\n", "0 planned, 1 run"),
        ("ok 1\n1..0\n", "0 planned, 1 run"),
        ("1..2\nok 1\nok 1\n", "two tests have the number 1"),
        ("1..2\nok 1\nok 3\n", "2 planned, and there is a test 3"),
        ("1..1\nok 0\n", "1 planned, and there is a test 0"),
    ],
)
def test_points_that_were_not_planned_fail(text: str, wrong: str):
    assert ("plan", "fail", wrong) in read(text)


def test_points_may_come_in_any_order_and_the_kernel_counts_as_it_likes():
    assert names("1..3\nok 2\nok 3\nok 1\n") == [("test 2", "pass"), ("test 3", "pass"), ("test 1", "pass")]
    assert names("KTAP version 1\n1..2\nok 1 a\nok 1 b\n") == [("a", "pass"), ("b", "pass")]


def test_a_plan_may_come_last_and_may_say_that_all_is_skipped():
    assert names("ok 1 - a\nok 2 - b\n1..2\n") == [("a", "pass"), ("b", "pass")]
    assert read("1..0 # SKIP no network\n") == [("all", "skip", "no network")]


def test_who_bails_out_is_believed_and_heard_no_further():
    assert read("1..3\nok 1 - a\nBail out! no disk left\nok 2 - b\n") == [
        ("a", "pass", None),
        ("Bail out!", "error", "no disk left"),
    ]


def test_points_of_a_subtest_are_named_below_it():
    text = """TAP version 14
1..2
    # Subtest: files
    1..2
    ok 1 - open
        1..1
        not ok 1 - deep
    not ok 2 - close
not ok 1 - files
ok 2 - last
"""
    assert names(text) == [
        ("files/open", "pass"),
        ("files/close/deep", "fail"),
        ("files/close", "fail"),
        ("files", "fail"),
        ("last", "pass"),
    ]


def test_a_subtest_that_lacks_points_is_told_apart():
    assert ("files/plan", "fail") in names("TAP version 14\n1..1\n    1..3\n    ok 1 - a\nok 1 - files\n")


def test_what_is_indented_in_tap_13_is_output_unless_it_is_announced():
    assert names("TAP version 13\n1..1\n    not ok 1 - quoted\nok 1 - a\n") == [("a", "pass")]
    assert ("s/a", "fail") in names("TAP version 13\n1..1\n# Subtest: s\n    1..1\n    not ok 1 - a\nnot ok 1 - s\n")


def test_the_kernels_dialect():
    text = """KTAP version 1
1..2
  KTAP version 1
  # Subtest: list-kunit-test
  1..2
    KTAP version 1
    1..2
    ok 1 empty
    not ok 2 splice # TIMEOUT 45 seconds
  not ok 1 group
  # list_test_init: EXPECTATION FAILED at lib/list-test.c:3
  not ok 2 list_test_init
not ok 1 list-kunit-test
ok 2 example # SKIP not built
"""
    assert names(text) == [
        ("list-kunit-test/group/empty", "pass"),
        ("list-kunit-test/group/splice", "timeout"),
        ("list-kunit-test/group", "fail"),
        ("list-kunit-test/list_test_init", "fail"),
        ("list-kunit-test", "fail"),
        ("example", "skip"),
    ]


@given(st.text(alphabet="ok not1.2#-\n TAPversion34BailSK!Subtest:\\", max_size=300))
def test_nothing_that_is_printed_breaks_it(text):
    for one in tap.results(text.split("\n")):
        assert one.name
        assert isinstance(one.verdict, Verdict)


SCRIPTS = {
    "all well": "1..2\nok 1\nok 2\n",
    "one failed": "1..2\nok 1\nnot ok 2 - b\n",
    "too few": "1..3\nok 1\nok 2\n",
    "too many": "1..1\nok 1\nok 2\n",
    "no plan": "ok 1\nok 2\n",
    "todo": "1..2\nok 1\nnot ok 2 # TODO some day\n",
    "skip": "1..2\nok 1\nok 2 # skip not here\n",
    "skip all": "1..0 # SKIP nothing here\n",
    "skip all and yet a point": "1..0 # SKIP nothing here\nok 1\n",
    "one number for two": "1..2\nok 1\nok 1\n",
    "not planned": "1..2\nok 1\nok 7\n",
    "bail out": "1..2\nok 1\nBail out! no more\n",
    "nothing": "",
    "version 13": "TAP version 13\n1..1\nok 1 - a\n  ---\n  x: not ok 7\n  ...\n",
}


@pytest.mark.skipif(PROVE is None, reason="prove, which is part of perl, is not installed")
@pytest.mark.parametrize("what", SCRIPTS)
def test_prove_comes_to_the_same_conclusion(what, tmp_path: Path):
    (tmp_path / "said").write_text(SCRIPTS[what])
    script = tmp_path / "script.t"
    script.write_text(f"#!/bin/sh\ncat '{tmp_path}/said'\n")
    script.chmod(0o755)

    judged = subprocess.run([str(PROVE), "-e", "/bin/sh", str(script)], capture_output=True, text=True, check=False)

    is_bad = any(verdict in ("fail", "error") for _, verdict in names(SCRIPTS[what]))
    assert is_bad == (judged.returncode != 0), judged.stdout
