"""Where things lie, and that no task can choose a place outside of its own."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.journal.paths import JournalPaths, component

any_text = st.text(st.characters(exclude_categories=()))


def test_everything_lies_beside_the_journal() -> None:
    paths = JournalPaths.of("/srv/suite/journal.db")

    assert paths.dir == "/srv/suite/journal.d"
    assert paths.lock == "/srv/suite/journal.db.lock"
    assert paths.socket == "/srv/suite/journal.db.socket"
    assert paths.attempt_dir(12, "net/dhcp/renew", 3, 1) == "/srv/suite/journal.d/run-12/net%2Fdhcp%2Frenew-3/1"


def test_journals_in_one_directory_do_not_share_a_directory_of_output() -> None:
    names = ["a.db", "a", "a.sqlite", "a.db.db"]

    places = {JournalPaths.of(f"/srv/{name}").dir for name in names} | {f"/srv/{name}" for name in names}

    assert len(places) == 2 * len(names)


@given(any_text, st.integers(1, 10**7))
def test_a_component_is_one_plain_visible_name(key: str, task: int) -> None:
    name = component(key, task)

    assert name.isascii()
    assert "/" not in name
    assert not name.startswith(".")
    assert name not in (".", "..")
    assert len(name) <= 110
    assert name.endswith(f"-{task}")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd-7"),
        ("", "-7"),
        ("new\nline \x1b[31m", "new%0Aline%20%1B%5B31m-7"),
        (os.fsdecode(b"caf\xe9"), "caf%E9-7"),
        ("a" * 300, "a" * 100 + "-7"),
        ("a" * 99 + "/b", "a" * 99 + "-7"),
    ],
)
def test_hostile_names_are_quoted(key: str, name: str) -> None:
    assert component(key, 7) == name


def test_a_long_name_has_a_socket_whose_address_fits() -> None:
    paths = JournalPaths.of("/srv/" + "j" * 200 + ".db")

    assert len(os.path.basename(paths.socket)) < 80
