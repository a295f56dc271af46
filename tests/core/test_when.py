"""Conditions: what they mean, what they say of why, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.when import Decided, WhenError, decide, names_in, parse, unknown_name

BOX = {
    "os.id": "debian",
    "os.version": "12",
    "os.like": ["debian", "ubuntu"],
    "kernel": "6.10.3-rc1",
    "arch": "x86_64",
    "cpus": 4,
    "root": True,
    "selinux": False,
    "param.storage": "nvme",
    "param.size": 3,
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("os.id == 'debian'", True),
        ('os.id != "debian"', False),
        ("os.version >= '12' and os.version < 13", True),
        ("os.version == 12", True),
        ("kernel > '6.9' and kernel < '6.10.3'", True),
        ("kernel >= '6.10.3'", False),
        ("arch in ['aarch64', 'x86_64']", True),
        ("arch not in ['aarch64']", True),
        ("'ubuntu' in os.like", True),
        ("'deb' in os.id", True),
        ("root and not selinux", True),
        ("root == true and selinux == false", True),
        ("root == 1", False),
        ("cpus >= 4", True),
        ("cpus == '4'", True),
        ("param.storage != 'nvme' or param.size > 2", True),
        ("not (root or selinux)", False),
        ("not root or selinux", False),
        ("param.gone", False),
        ("param.gone == 'x' or param.gone < 3", False),
        ("param.gone != 'x'", True),
        ("param.gone not in ['x']", True),
        ("cpus > 3.5", True),
        ("-1 < cpus", True),
    ],
)
def test_what_a_condition_means(text, holds):
    assert decide(parse(text), BOX).holds is holds


def test_the_part_that_decided_is_said_with_what_is_there():
    text = "os.id == 'debian' and os.version >= '13' and arch == 'x86_64'"

    assert decide(parse(text), BOX) == Decided(False, "os.version >= '13' (os.version is '12')")
    assert decide(parse("selinux or cpus > 8"), BOX).because == "selinux (selinux is false); cpus > 8 (cpus is 4)"
    assert decide(parse("param.x == 1"), BOX).because == "param.x == 1 (there is no param.x)"


@pytest.mark.parametrize(
    ("smaller", "larger"), [("6.9", "6.10"), ("1.0-rc1", "1.0"), ("1.0~beta", "1.0"), ("12", "12.1")]
)
def test_versions_compare_as_versions(smaller, larger):
    assert decide(parse(f"'{smaller}' < '{larger}'"), {}).holds
    assert not decide(parse(f"'{smaller}' >= '{larger}'"), {}).holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("os.id = 'debian'", "column 7: '=' means nothing here"),
        ("os.id == 'debian", "column 10: this text has no end"),
        ("(root", "column 6: something is missing at the end"),
        ("root or", "column 8: something is missing at the end"),
        ("root selinux", "column 6: 'selinux' stands where 'and', 'or' or the end was expected"),
        ("arch == ['x']", "column 9: a list can stand behind 'in' alone"),
        ("arch in [['x']]", "column 10: a list holds no lists"),
        ("['x']", "column 1: a list alone says nothing"),
        ("arch not 'x'", "column 10: \"'x'\" stands where 'in' was expected"),
        ("", "column 1: something is missing at the end"),
        ("__import__('os')", "column 11: '(' stands where 'and', 'or' or the end was expected"),
        ("not " * 100 + "root", "column 205: this is nested too deeply"),
        ("(" * 100, "column 52: this is nested too deeply"),
        ("x" * 3000, "column 2000: a condition has at most 2000 characters"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_column(text, message):
    with pytest.raises(WhenError) as wrong:
        parse(text)
    assert str(wrong.value) == message


def test_names_are_found_wherever_they_stand():
    condition = parse("not a.b and (c in [d, 'x'] or 'y' in e) and f == g and param.h")

    assert [one.name for one in names_in(condition)] == ["a.b", "c", "d", "e", "f", "g", "param.h"]
    assert unknown_name(condition, ["a.b", "c", "d", "f", "g"]) == ("e", 38)


@given(st.text(alphabet="abo.s'\"=!<>()[],0129 andortinx\n-", max_size=60))
def test_any_text_is_a_condition_that_can_be_decided_or_refused(text):
    refused = None
    try:
        condition = parse(text)
    except WhenError as error:
        refused = error
    if refused is None:
        decided = decide(condition, BOX)
        assert decided.because
    else:
        assert 1 <= refused.column <= len(text) + 1


def test_numbers_of_any_length_compare():
    box = {"long": "9" * 5000, "longer": "0" * 9 + "1" + "0" * 5000, "zeros": "0." * 50_000}

    assert decide(parse("long < longer and longer > 7 and zeros == '0'"), box).holds is False
    assert decide(parse("long < longer and longer > 7 and zeros < '0.0.1'"), box).holds


VERSIONS = st.lists(st.integers(0, 20), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@given(VERSIONS, VERSIONS, VERSIONS)
def test_versions_are_in_one_order(a, b, c):
    def holds(text: str) -> bool:
        return decide(parse(text), {}).holds

    assert holds(f"'{a}' <= '{b}'") or holds(f"'{b}' <= '{a}'")
    assert holds(f"'{a}' < '{b}'") == (not holds(f"'{b}' <= '{a}'"))
    if holds(f"'{a}' <= '{b}'") and holds(f"'{b}' <= '{c}'"):
        assert holds(f"'{a}' <= '{c}'")
