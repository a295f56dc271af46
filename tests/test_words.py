"""Durations, amounts and near misses, as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.words import amount_text, bytes_of, did_you_mean, seconds_of


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90.0),
        (0.5, 0.5),
        ("90", 90.0),
        ("1.5", 1.5),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("2d", 172800.0),
        ("250ms", 0.25),
        ("1m250ms", 60.25),
        ("1.5H", 5400.0),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_says_its_units(written, seconds):
    assert seconds_of(written) == seconds


@pytest.mark.parametrize("written", [0, -1, "0s", "", " ", "m", "5x", "30m1h", "1h1h", "-5m", "٣m", None, True, 1e999])
def test_what_is_no_duration_is_refused_with_what_would_be_one(written):
    with pytest.raises(ValueError, match="is not a duration: write seconds above zero, or for example '5m' or '1h30m'"):
        seconds_of(written)


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0, "0"),
        (2, "2"),
        (1000, "1000"),
        (1024, "1K"),
        (1500, "1500"),
        (4 << 30, "4G"),
        (25276510208, "23.5G"),
        (1 << 70, "1048576P"),
    ],
)
def test_an_amount_is_told_as_it_may_be_written(amount, said):
    assert amount_text(amount) == said


@given(st.integers(1, 2**52))
def test_an_amount_that_is_told_is_about_that_amount(amount):
    assert abs(bytes_of(amount_text(amount)) - amount) <= amount * 0.05


def test_a_near_miss_is_guessed_and_a_far_one_is_not():
    assert did_you_mean("require", ["provides", "requires"]) == " Did you mean 'requires'?"
    assert did_you_mean("REQUIRES", ["provides", "requires"]) == " Did you mean 'requires'?"
    assert did_you_mean("zebra", ["provides", "requires"]) == ""
