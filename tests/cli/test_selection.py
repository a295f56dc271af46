"""Which tasks of a suite a run has: expressions, what an earlier run left, and what comes along."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pexen_state.cli.errors import NothingToDo, UsageError
from pexen_state.cli.suite.keyword import compile_keyword
from pexen_state.cli.suite.selection import Left, joining, select
from pexen_state.core.states import Verdict
from pexen_state.sched.identity import key_of
from pexen_state.sched.meta import func_meta
from pexen_state.util import PexenWarning

KEYS = ["net/dhcp/renew", "net/dhcp/lease time", "fs/ext4/resize", "fs/xfs/android", "Net/UP"]


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("dhcp", [0, 1]),
        ("NET", [0, 1, 4]),
        ("net and not dhcp", [4]),
        ("dhcp or ext4", [0, 1, 2]),
        ("dhcp and renew or xfs", [0, 3]),
        ("dhcp and (renew or xfs)", [0]),
        ("not (net or fs)", []),
        ("not not xfs", [3]),
        ("'lease time'", [1]),
        ('"and"', [3]),
        ("fs/*", [2, 3]),
        ("fs/ext?/r*", [2]),
        ("ext?", []),  # a glob is about the whole key
        ("*/[rl]e*", [0, 1, 2]),
        ("'*'", []),  # in quotes it is a character like any other
        ("android", [3]),
        ("fs/xfs/android", [3]),
    ],
)
def test_an_expression_means_the_keys_that_it_should(expression: str, numbers: list[int]):
    matches = compile_keyword(expression)

    assert [number for number, key in enumerate(KEYS) if matches(key)] == numbers


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "-k: it says nothing:\n  \n  ^"),
        ("net dhcp", "-k: 'and' or 'or' is missing before this:\n  net dhcp\n      ^"),
        ("net and", "-k: a word is missing at the end:\n  net and\n         ^"),
        ("and net", "-k: a word is missing before this:\n  and net\n  ^"),
        ("net or or fs", "-k: a word is missing before this:\n  net or or fs\n         ^"),
        ("(net", "-k: this parenthesis is never closed:\n  (net\n  ^"),
        ("net)", "-k: this parenthesis was never opened:\n  net)\n     ^"),
        ("()", "-k: a word is missing before this:\n  ()\n   ^"),
        ("net and 'dhcp", "-k: this quote is never closed:\n  net and 'dhcp\n          ^"),
        ("''", "-k: a word is missing before this:\n  ''\n  ^"),
        ("(" * 101 + "a", "-k: this is nested too deeply:"),
        ("a \x1b[31m and", "-k: 'and' or 'or' is missing before this: a \\x1b[31m and"),
    ],
)
def test_a_bad_expression_is_shown_with_the_place(expression: str, said: str):
    with pytest.raises(UsageError) as caught:
        compile_keyword(expression)

    assert str(caught.value).startswith(said)


def task(key: str, **meta: list[str]) -> Callable[[], None]:
    def body() -> None: ...

    return func_meta(name=key, **meta)(body)  # type: ignore[arg-type]


SUITE = [
    task("setup/a", provides=["database"]),
    task("setup/b", provides=["database"], requires=["disk"]),
    task("setup/disk", provides=["disk"]),
    task("login", requires=["database"]),
    task("report", requires_all=["database"]),
    task("other"),
]


def keys(tasks: object) -> list[str]:
    return [key_of(task) for task in tasks]  # type: ignore[attr-defined]


def test_all_providers_of_what_is_required_come_along_with_what_they_require():
    selection = select(SUITE, "login")

    assert keys(selection.tasks) == ["setup/a", "setup/b", "setup/disk", "login"]
    assert selection.required == {"setup/a", "setup/b", "setup/disk"}
    assert selection.in_words() == "1 of 6 tasks: -k login, and 3 more that they require"


def test_requires_all_brings_every_provider():
    assert keys(select(SUITE, "report").tasks) == ["setup/a", "setup/b", "setup/disk", "report"]


def test_what_requires_nothing_comes_alone():
    assert select(SUITE, "other").in_words() == "1 of 6 tasks: -k other"


def test_without_a_wish_all_tasks_are_meant():
    selection = select(SUITE)

    assert keys(selection.tasks) == keys(SUITE)
    assert selection.in_words() is None


def test_an_expression_that_means_nothing_is_told():
    with pytest.raises(NothingToDo, match="nothing is selected: -k nowhere matches none of 6 tasks"):
        select(SUITE, "nowhere")


LEFT = Left(
    11,
    {
        "login": Verdict.FAIL,
        "report": Verdict.TIMEOUT,
        "other": Verdict.PASS,
        "setup/a": Verdict.NOT_RUN,
        "setup/b": Verdict.NONE,
        "setup/disk": Verdict.WARN,
    },
)


@pytest.mark.parametrize(
    ("failed", "not_run", "wanted", "how"),
    [
        (True, False, {"login", "report"}, "failed in run 11"),
        (False, True, {"setup/a", "setup/b"}, "not run in run 11"),
        (True, True, {"login", "report", "setup/a", "setup/b"}, "failed or not run in run 11"),
        (False, False, set(LEFT.verdicts), "those of run 11"),
    ],
)
def test_an_earlier_run_tells_what_is_wanted(failed: bool, not_run: bool, wanted: set[str], how: str):
    assert LEFT.wanted(failed, not_run) == wanted
    assert LEFT.how(failed, not_run) == how


@pytest.mark.parametrize(
    ("failed", "not_run", "said"),
    [
        (True, False, "nothing failed in run 7."),
        (False, True, "nothing was left undone in run 7."),
        (True, True, "nothing failed or was left undone in run 7."),
    ],
)
def test_an_earlier_run_that_left_nothing_is_told(failed: bool, not_run: bool, said: str):
    with pytest.raises(NothingToDo) as caught:
        Left(7, {"one": Verdict.PASS}).wanted(failed, not_run)

    assert str(caught.value) == said


def test_an_expression_picks_from_what_an_earlier_run_left_and_requirements_come_after():
    selection = select(SUITE, "login or other", LEFT.wanted(True, False), ["failed in run 11"])

    assert keys(selection.tasks) == ["setup/a", "setup/b", "setup/disk", "login"]
    assert selection.in_words() == "1 of 6 tasks: failed in run 11, -k login or other, and 3 more that they require"


def test_tasks_that_are_no_longer_in_the_suite_are_named():
    with pytest.warns(
        PexenWarning, match="2 tasks of that run are no longer in the suite, and will not run: gone, lost"
    ):
        selection = select(SUITE, keys={"other", "gone", "lost"}, how=["failed in run 11"])
    assert keys(selection.tasks) == ["other"]

    with pytest.raises(NothingToDo, match="failed in run 11: none of these tasks is in the suite any more"):
        select(SUITE, keys={"gone"}, how=["failed in run 11"])


def test_a_run_is_joined_by_new_tasks_that_its_expression_means_and_what_they_require():
    assert keys(joining(SUITE, {"other", "setup/a"}, None)) == ["setup/b", "setup/disk", "login", "report"]
    assert keys(joining(SUITE, {"other", "setup/a"}, "login")) == ["setup/b", "setup/disk", "login"]
    assert joining(SUITE, {"other"}, "other") == []
