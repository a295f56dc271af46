"""A lock as people write it: what is shown is what may be typed."""

from __future__ import annotations

import pytest

from pexen_state.core.lock_names import lock_of, lock_text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("disk", "disk"),
        ("/proc/sys", "/proc/sys"),
        (7, "7"),
        (None, "null"),
        (True, "true"),
        (("disk", 1), '["disk", 1]'),
        (("a", ("b", 2.5)), '["a", ["b", 2.5]]'),
    ],
)
def test_what_is_shown_is_what_may_be_typed(name, text):
    assert lock_text(name) == text
    assert lock_of(text, ["other", name]) == name


def test_a_path_may_be_written_as_it_comes_and_a_value_spaced_as_one_likes():
    assert lock_of("/proc//sys/", ["/proc/sys"]) == "/proc/sys"
    assert lock_of("/proc/sys", ["/proc/sys/"]) == "/proc/sys"
    assert lock_of('["disk",1]', [("disk", 1)]) == ("disk", 1)


def test_a_string_goes_before_a_value_that_looks_like_it():
    assert lock_of("7", [7, "7"]) == "7"
    assert lock_of("7", [7]) == 7


@pytest.mark.parametrize("text", ["dis", "[", "8", "[" * 100_000])
def test_what_is_none_of_them_is_none(text):
    assert lock_of(text, ["disk", 7, ("disk", 1)]) is None
