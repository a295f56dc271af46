"""Keys are found by globs, and globs by keys, whichever of them came first."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.keys import Globs, Keys

keys = st.text("ab/[", max_size=4)
globs = st.text("ab/*?[]!", max_size=4)


def by_hand(key: str, pattern: str) -> bool:
    return fnmatchcase(key, pattern) if set(pattern) & set("*?[") else key == pattern


@given(st.lists(st.lists(keys, max_size=6), max_size=6), st.lists(globs, unique=True))
def test_keys_that_come_in_any_portions_are_all_found(portions: list[list[str]], patterns: list[str]) -> None:
    numbered = [(key, number) for number, key in enumerate(key for portion in portions for key in portion)]
    left = list(numbered)
    found = Keys([])
    for portion in portions:
        found.add(sorted(left[: len(portion)]))
        left = left[len(portion) :]

    for pattern in patterns:
        assert sorted(found.matching(pattern)) == [number for key, number in numbered if by_hand(key, pattern)]


@given(st.lists(keys, max_size=6), st.lists(globs, unique=True, max_size=12))
def test_globs_are_found_by_keys_that_match_be_there_many_of_them_or_few(some: list[str], patterns: list[str]) -> None:
    numbered = sorted((key, number) for number, key in enumerate(some))
    found = Globs()
    for pattern in patterns:
        found.add(pattern)

    wanted = {(pattern, number) for key, number in numbered for pattern in patterns if by_hand(key, pattern)}
    assert sorted(found.matched_by(numbered)) == sorted(wanted)
    assert sorted(pair for one in numbered for pair in found.matched_by([one])) == sorted(wanted)
