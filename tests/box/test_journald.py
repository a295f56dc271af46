"""Entries with fields, as the journal of systemd takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pexen_state.box.journald import ERROR, Journald
from tests.datagrams import Listener, listening


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Listener]:
    with listening(tmp_path / "socket") as found:
        yield found


def test_an_entry_has_its_fields(daemon: Listener) -> None:
    with closing(Journald(daemon.address)) as journald:
        assert journald.write(
            "FAIL net/dns\n         | no answer", {"PEXEN_RUN": "3", "PEXEN_TASK": "a\nMESSAGE=forged"}, ERROR
        )
    (entry,) = daemon.entries()
    assert entry == {
        "MESSAGE": "FAIL net/dns\n         | no answer",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "pexen",
        "PEXEN_RUN": "3",
        "PEXEN_TASK": "a\nMESSAGE=forged",
    }


def test_only_what_goes_to_the_journal_anyway_is_written_there(daemon: Listener, tmp_path: Path) -> None:
    with open(tmp_path / "stdout", "wb") as file:
        found = os.fstat(file.fileno())
        path = daemon.address
        ours = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}

        journald = Journald.behind(file.fileno(), ours, path)
        assert journald is not None
        journald.close()
        assert Journald.behind(file.fileno(), {"JOURNAL_STREAM": "8:1"}, path) is None  # standard output was redirected
        assert Journald.behind(file.fileno(), {"JOURNAL_STREAM": "what"}, path) is None
        assert Journald.behind(file.fileno(), {}, path) is None
        assert Journald.behind(file.fileno(), ours, str(tmp_path / "nobody")) is None


def test_an_entry_that_is_not_taken_is_told(daemon: Listener) -> None:
    journald = Journald(daemon.address)

    assert not journald.write("x" * 10_000_000, {})
    assert journald.write("small", {})
    daemon.close()
    assert not journald.write("small", {})
    journald.close()
