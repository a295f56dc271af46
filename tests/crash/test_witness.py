"""What the witness makes of its log."""

from __future__ import annotations

from tests.crash.witness import Record, contradictions

DISK = [{"one", "two"}]


def log(*lines: str) -> list[Record]:
    return [Record(*line.split()) for line in lines]


def test_two_that_share_a_lock_run_at_once() -> None:
    seen = log("S one 1", "S two 1", "E one 1", "E two 1")

    assert list(contradictions(seen, exclusive=DISK)) == ["two started while one had the lock"]


def test_who_died_without_a_word_has_no_lock_any_more() -> None:
    seen = log("S one 1", "S one 2", "E one 2", "S two 1", "E two 1")

    assert list(contradictions(seen, exclusive=DISK)) == ["two started while one had the lock"]
    assert list(contradictions(seen, exclusive=DISK, cut_off=[("one", "1")])) == []


def test_who_is_said_to_have_died_and_went_on_has_it_to_its_end() -> None:
    seen = log("S one 1", "S two 1", "E one 1", "E two 1")

    assert list(contradictions(seen, exclusive=DISK, cut_off=[("one", "1")])) == ["two started while one had the lock"]
