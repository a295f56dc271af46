"""Which tasks of a suite a run has: expressions, what an earlier run left, and what comes along."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.cli.errors import NothingToDo, UsageError
from pexen_state.cli.suite.keyword import compile_keyword, compile_tags
from pexen_state.cli.suite.selection import Left, Selection, Wishes, going_on_with, select, shard_of
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


def task(key: str, **meta: object) -> Callable[[], None]:
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
    selection = select(SUITE, Wishes("login"))

    assert keys(selection.tasks) == ["setup/a", "setup/b", "setup/disk", "login"]
    assert selection.required == {"setup/a", "setup/b", "setup/disk"}
    assert selection.in_words() == "1 of 6 tasks: -k login, and 3 more that they require"


def test_requires_all_brings_every_provider():
    assert keys(select(SUITE, Wishes("report")).tasks) == ["setup/a", "setup/b", "setup/disk", "report"]


def test_what_requires_nothing_comes_alone():
    assert select(SUITE, Wishes("other")).in_words() == "1 of 6 tasks: -k other"


def test_without_a_wish_all_tasks_are_meant():
    selection = select(SUITE)

    assert keys(selection.tasks) == keys(SUITE)
    assert selection.in_words() is None


def test_an_expression_that_means_nothing_is_told():
    with pytest.raises(NothingToDo, match="nothing is selected: -k nowhere matches none of 6 tasks"):
        select(SUITE, Wishes("nowhere"))


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


def test_for_what_another_task_has_added_that_one_runs_again():
    verdicts = {"adder": Verdict.PASS, "leaf": Verdict.FAIL, "bud": Verdict.NOT_RUN, "other": Verdict.PASS}
    left = Left(7, verdicts, {"leaf": "adder", "bud": "adder"})

    assert left.wanted(True, False) == left.wanted(False, True) == left.undone() == {"adder"}
    assert left.wanted(False, False) == {"adder", "other"}


def test_an_expression_picks_from_what_an_earlier_run_left_and_requirements_come_after():
    selection = select(SUITE, Wishes("login or other"), LEFT.wanted(True, False), ["failed in run 11"])

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


def joining(known: set[str], wishes: Wishes = Wishes(), **more: object) -> list[str]:  # noqa: B008  # a value
    found = going_on_with(SUITE, [], known, wishes, **more)  # type: ignore[arg-type]
    assert found is not None
    return [key for key in keys(found.tasks) if key not in known]


def test_a_run_is_joined_by_new_tasks_that_its_expression_means_and_what_they_require():
    assert joining({"other", "setup/a"}) == ["setup/b", "setup/disk", "login", "report"]
    assert joining({"other", "setup/a"}, Wishes("login")) == ["setup/b", "setup/disk", "login"]
    assert joining({"other"}, Wishes("other")) == []
    assert joining({"other"}, may_join=False) == []
    assert joining({"other"}, Wishes("login", no_deps=True)) == ["login"]
    assert going_on_with(SUITE, [], {"nobody"}) is None


# -- tags


@pytest.mark.parametrize(
    ("expressions", "numbers"),
    [
        (["slow"], [0, 1]),
        (["SLOW and not net"], [1]),
        (["slow and net", "fast"], [0, 2]),
        (["s*"], [0, 1]),
        (["not slow"], [2, 3]),
        (["lo"], []),  # a tag is a word as a whole
        (["'two words'"], [3]),
        (["'s*'"], []),
    ],
)
def test_tags_are_whole_words_and_of_several_expressions_one_is_enough(expressions: list[str], numbers: list[int]):
    tagged = [{"slow", "net"}, {"Slow"}, {"fast"}, {"two words"}]

    fits = compile_tags(expressions)

    assert [number for number, tags in enumerate(tagged) if fits(tags)] == numbers


def test_a_bad_expression_of_tags_is_shown_with_the_place():
    with pytest.raises(UsageError, match=r"^-t: a word is missing at the end"):
        compile_tags(["fine", "slow and"])


TAGGED = [
    task("a", tags=["slow"], requires=["x"]),
    task("b", tags=["slow", "net"]),
    task("c", provides=["x"]),
    task("net/d"),
]


def test_tags_and_words_are_both_to_be_met_and_what_is_required_comes_along():
    assert select(TAGGED, Wishes(tags=["slow"])).in_words() == "2 of 4 tasks: -t slow, and 1 more that they require"
    assert keys(select(TAGGED, Wishes("a", ["slow"])).tasks) == ["a", "c"]
    with pytest.raises(NothingToDo, match="-k d, -t slow matches none of 4 tasks"):
        select(TAGGED, Wishes("d", ["slow"]))


# -- no dependencies, shards, rounds


def test_without_dependencies_nobody_comes_along_and_what_they_provide_is_not_required():
    selection = select(TAGGED, Wishes(tags=["slow"], no_deps=True))

    assert keys(selection.tasks) == ["a", "b"]
    assert [spec.requires for spec in selection.specs()] == [(), ()]
    assert selection.in_words() == "2 of 4 tasks: -t slow, --no-deps"


def test_shards_have_every_task_once_and_keep_together_what_depends_on_each_other():
    parts = [select(SUITE, Wishes(shard=f"{part}/3")) for part in (1, 2)]

    assert [keys(part.tasks) for part in parts] == [
        ["setup/a", "setup/b", "setup/disk", "login", "report"],
        ["other"],
    ]
    assert parts[1].in_words() == "1 of 6 tasks: --shard 2/3"
    assert not parts[0].is_whole
    with pytest.raises(NothingToDo, match="shard 3/3 is empty"):
        select(SUITE, Wishes(shard="3/3"))


@pytest.mark.parametrize("said", ["0/3", "4/3", "1", "1/", "/2", "a/b", "1/2/3", "-1/2", "²/3", "1/9999999"])
def test_what_is_no_part_of_a_suite_is_told(said: str):
    with pytest.raises(UsageError, match=r"--shard: .* is no part of a suite"):
        shard_of(said)


@given(of=st.integers(1, 4), tags=st.sampled_from([(), ("slow",), ("not slow",)]))
def test_shards_of_what_is_meant_are_a_partition_of_it(of: int, tags: tuple[str, ...]):
    whole = sorted(keys(select(TAGGED, Wishes(tags=tags)).tasks))
    found: list[str] = []
    for part in range(1, of + 1):
        with contextlib.suppress(NothingToDo):
            found += keys(select(TAGGED, Wishes(tags=tags, shard=f"{part}/{of}")).tasks)
    assert sorted(found) == whole


def test_what_is_meant_is_repeated_and_what_it_requires_is_not():
    selection = select(TAGGED, Wishes("a", repeat=3))

    assert keys(selection.tasks) == ["a@1", "c", "a@2", "a@3"]
    assert selection.in_words() == "1 of 4 tasks: -k a, and 1 more that they require; 3 rounds"
    assert select(TAGGED, Wishes(repeat=2)).in_words() == "4 tasks; 2 rounds"
    assert select(TAGGED, Wishes(repeat=2)).is_whole


def test_rounds_go_on_as_they_were_and_new_tasks_join_all_of_them():
    first = select(TAGGED, Wishes("a", repeat=2))
    again = going_on_with([*TAGGED, task("aa", requires=["x"])], [], set(keys(first.tasks)), Wishes("a", repeat=2))

    assert again is not None
    assert keys(again.tasks) == ["a@1", "c", "aa@1", "a@2", "aa@2"]
    assert again.specs()[0] == first.specs()[0]


def test_what_failed_in_a_round_is_found_without_its_number():
    assert keys(select(TAGGED, keys={"a@7", "b@1"}, how=["failed in run 1"]).tasks) == ["a", "b", "c"]


# -- the catalogue

OFFERS = [
    task("web/apache", provides=["httpd"], requires=["disk"], cost=5),
    task("web/nginx", provides=["httpd", "nginx"]),
    task("disk", provides=["disk"]),
]
WEB = [task("login", requires=["httpd"]), task("other")]


def chosen(selection: Selection) -> list[str]:
    return sorted(selection.on_demand)


def test_what_is_missing_is_taken_from_the_catalogue_and_told():
    selection = select(WEB, catalogue=OFFERS)

    assert keys(selection.tasks) == ["login", "other", "web/nginx"]
    assert selection.in_words() == "2 tasks, and 1 more that they require (on demand: web/nginx)"
    assert selection.is_whole
    assert keys(selection.ordinary) == ["login", "other"]
    assert select(WEB, Wishes("other"), catalogue=OFFERS).in_words() == "1 of 2 tasks: -k other"


def test_who_means_none_but_tasks_on_demand_is_told_how_they_run():
    with pytest.raises(NothingToDo) as caught:
        select(WEB, Wishes("apache"), catalogue=OFFERS)

    assert str(caught.value) == (
        "nothing is selected: -k apache matches none of 2 tasks. web/apache would, but run on demand: if they are "
        "required, or are a target of their own."
    )


def test_the_suite_goes_before_the_catalogue_even_if_it_was_not_meant():
    suite = [*WEB, task("own", provides=["httpd"])]

    assert keys(select(suite, Wishes("login"), catalogue=OFFERS).tasks) == ["login", "own"]


def test_each_shard_takes_its_own_from_the_catalogue():
    suite = [*WEB, task("shop", requires=["httpd"])]

    parts = [keys(select(suite, Wishes(shard=f"{part}/3"), catalogue=OFFERS).tasks) for part in (1, 2, 3)]

    assert parts == [["login", "web/nginx"], ["other"], ["shop", "web/nginx"]]


def test_a_run_that_goes_on_has_whom_it_took_and_who_joins_makes_do_with_them():
    again = going_on_with([*WEB, task("shop", requires=["httpd"])], OFFERS, {"login", "web/apache", "disk"})

    assert again is not None
    assert keys(again.tasks) == ["login", "other", "shop", "web/apache", "disk"]
    assert chosen(again) == ["disk", "web/apache"]


def test_tasks_on_demand_that_are_named_by_an_earlier_run_run_again():
    selection = select(WEB, keys={"web/apache"}, how=["failed in run 3"], catalogue=OFFERS)

    assert keys(selection.tasks) == ["web/apache", "disk"]
    assert chosen(selection) == ["disk"]
