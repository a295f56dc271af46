"""Tasks as a tree: counts per branch, branches of one branch in one line, names of any depth."""

from __future__ import annotations

import pytest

from pexen_state.report.tree import Leaf, parts_of, tree_lines


def tree(*keys: str) -> list[str]:
    return list(tree_lines(Leaf(parts_of(key)) for key in keys))


def test_each_branch_says_how_many_tasks_are_below_it():
    assert tree("s/net/a", "s/net/x/y/b", "s/c", "z/z/d") == [
        "s/ (3)",
        "  c",
        "  net/ (2)",
        "    a",
        "    x/y/ (1)",
        "      b",
        "z/z/ (1)",
        "  d",
    ]


@pytest.mark.parametrize("key", ["a/b", "/a//b", "/", "//", "a/", "", "a//", "a", "a/b/c/", "//a/b"])
def test_a_name_in_parts_is_the_name(key: str):
    assert "/".join(parts_of(key)) == key


def test_a_name_of_any_depth_is_drawn():
    deep = "/".join(["d"] * 5000)

    lines = tree(f"{deep}/a", f"{deep}/b", "c")

    assert lines[0] == "c"
    assert lines[1].endswith("d/ (2)")
    assert lines[2:] == ["  a", "  b"]


def test_names_that_would_do_harm_are_shown_as_escapes():
    assert tree("a\nb/\x1b[2Jc") == ["a\\nb/ (1)", "  \\x1b[2Jc"]
