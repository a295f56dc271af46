"""What goes through the journal comes back as it was, or is refused."""

from __future__ import annotations

import datetime
import json
import math
import pathlib
import subprocess
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.journal.codec import (
    NotDecodable,
    NotEncodable,
    Unrestorable,
    UnrestorableUsed,
    decode,
    encode,
    encode_or_text,
    is_text_only,
)


@dataclass
class Disk:
    name: str
    sizes: tuple[int, ...] = ()
    cache: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frozen:
    value: Any

    def __post_init__(self) -> None:
        if self.value == "forbidden":
            raise AssertionError("decoding ran the class's own code")


class Pair(NamedTuple):
    a: int
    b: int


class Loud(str):
    __slots__ = ()


# Every character, lone surrogates included.
any_text = st.text(st.characters(exclude_categories=()))
offsets = st.none() | st.integers(-1439, 1439).map(lambda m: datetime.timezone(datetime.timedelta(minutes=m)))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text
    | st.binary()
    | st.datetimes(timezones=offsets, allow_imaginary=False)
    | st.dates()
    | st.timedeltas()
    | st.builds(pathlib.Path, any_text.filter(lambda t: "\0" not in t))
    | st.builds(pathlib.PurePosixPath, any_text.filter(lambda t: "\0" not in t))
)
hashables = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5
)
values = st.recursive(
    hashables,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(any_text | st.just("$tuple"), inner, max_size=4)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.tuples(inner)
        | st.sets(hashables, max_size=3)
        | st.builds(Disk, any_text, st.lists(st.integers()).map(tuple), st.dictionaries(any_text, inner, max_size=2))
        | st.builds(Frozen, inner)
    ),
    max_leaves=12,
)


def told(value: Any) -> Any:
    """The value with every type named, so that 1 is not 1.0 and not True, and 0.0 not -0.0."""
    inner: Any
    match value:
        case list() | tuple():
            inner = [told(one) for one in value]
        case dict():
            inner = [[told(key), told(one)] for key, one in value.items()]
        case set() | frozenset():
            inner = sorted(map(repr, map(told, value)))
        case Disk():
            inner = [told(value.name), told(value.sizes), told(value.cache)]
        case Frozen():
            inner = told(value.value)
        case _:
            inner = repr(value)
    return type(value).__name__, inner


@given(values)
def test_every_value_comes_back_exactly(value: Any) -> None:
    text = encode(value)

    assert text.isascii()
    assert decode(text) == value
    assert told(decode(text)) == told(value)
    assert encode(decode(text)) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    )
)
def test_what_json_has_is_written_as_it_is(value: Any) -> None:
    assert json.loads(encode(value)) == value


def test_a_finished_process_comes_back() -> None:
    ran = subprocess.run(["/bin/echo", "hello"], capture_output=True, check=True)

    again = decode(encode(ran))

    assert type(again) is subprocess.CompletedProcess
    assert vars(again) == vars(ran)


def test_a_number_of_ten_thousand_digits_comes_back() -> None:
    assert decode(encode(7**12000)) == 7**12000


def test_a_dataclass_is_filled_without_running_its_code() -> None:
    text = encode(Frozen("allowed")).replace("allowed", "forbidden")

    assert decode(text).value == "forbidden"


def local_class() -> object:
    @dataclass
    class Local:
        a: int = 1

    return Local()


def with_more_than_its_fields() -> object:
    disk = Disk("vda")
    disk.more = 1  # type: ignore[attr-defined]
    return disk


def circle() -> object:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "nan, which JSON does not have"),
        ({"deep": [1, -math.inf]}, r"the value\['deep'\]\[1\] .* -inf"),
        (object(), "of the type builtins:object"),
        (Pair(1, 2), "Pair, which JSON cannot give back exactly"),
        (Loud("x"), "Loud"),
        (OrderedDict(a=1), "OrderedDict"),
        (lambda: 1, "function"),
        (local_class(), "cannot be imported by that name"),
        (with_more_than_its_fields(), "more than its fields: more"),
        (datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1), "CET")), "time zone"),
        (circle(), "contains itself"),
        ({1: {2, 3}, "bad": {object(): 1}}, "a key of the value"),
    ],
)
def test_what_would_not_come_back_exactly_is_refused_and_the_place_is_named(value: Any, why: str) -> None:
    with pytest.raises(NotEncodable, match=why):
        encode(value)


def test_the_message_calls_the_value_what_the_caller_calls_it() -> None:
    with pytest.raises(NotEncodable, match=r"^shared\['db'\] cannot be kept in the journal: it is of the type "):
        encode(object(), "shared['db']")


def test_a_return_value_that_cannot_be_kept_comes_back_as_text_that_raises_on_use() -> None:
    text = encode_or_text(OrderedDict(a=1))
    assert is_text_only(text)
    assert not is_text_only(encode_or_text({"$text": "not that"}))
    kept = decode(text)

    assert isinstance(kept, Unrestorable)
    assert repr(kept).startswith('Unrestorable("OrderedDict(')
    for use in (
        lambda: kept["a"],
        lambda: kept.items(),
        lambda: len(kept),
        lambda: bool(kept),
        lambda: kept(),
        lambda: kept + 1,
    ):
        with pytest.raises(UnrestorableUsed, match="could keep it as text only: OrderedDict"):
            use()


def test_a_value_whose_repr_fails_is_kept_as_text_all_the_same() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert "whose repr failed with RuntimeError" in decode(encode_or_text(Shy())).text


@pytest.mark.parametrize(
    "text",
    ["{", '{"$dataclass":["no.such:Class",{}]}', '{"$new":1}', '{"$bytes":"zz"}', '{"$dataclass":["os:system",{}]}'],
)
def test_text_of_another_hand_is_refused_and_runs_nothing(text: str) -> None:
    with pytest.raises(NotDecodable, match="cannot be read back"):
        decode(text)
