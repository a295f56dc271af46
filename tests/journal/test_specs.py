"""A spec is kept as JSON, and comes back as it was."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.spec import Declared, TaskSpec
from pexen_state.core.states import FAILURES
from pexen_state.journal.specs import spec_from_json, spec_to_json, sql_text
from pexen_state.journal.values import to_json

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
names = st.lists(scalars | st.tuples(scalars, scalars), max_size=3).map(tuple)


def test_who_says_nothing_needs_no_text():
    assert spec_to_json(TaskSpec("t")) is None
    assert spec_from_json("t", None) == TaskSpec("t")


@given(requires=names, claims=names)
def test_names_of_every_kind_are_written_as_json_writes_them(requires, claims):
    spec = TaskSpec("t", requires=requires, claims=claims)
    kept = {
        field: [to_json(name, "a name") for name in value]
        for field, value in (("requires", requires), ("claims", claims))
        if value
    }

    text = spec_to_json(spec)

    assert text == (json.dumps(kept, separators=(",", ":")) if kept else None)
    assert spec_from_json("t", text) == spec


def test_every_field_comes_back():
    spec = TaskSpec(
        "lone \udc80",
        ("a", "a\n\"'é"),
        (1, -(2**80)),
        (("x", 1),),
        ("*/a",),
        ("u",),
        ("c",),
        -1.5,
        True,
        3,
        FAILURES,
        None,
        1.5,
        0.25,
        Declared.TASK,
        "free",
        "keep",
    )

    assert spec_from_json(sql_text(spec.key), spec_to_json(spec)) == spec
