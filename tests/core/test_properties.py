"""Whatever happens to a run, in whatever order, these things stay true."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from pexen_state.core.spec import Declared, TaskSpec
from pexen_state.core.states import FAILURES, RETRIED, Cause
from tests.core.world import LOCKS, Run, Tape

KEYS = ("a", "b", "c", "net/a", "net/b", "net/c", "fs/a", "fs/b")
NAMES = ("x", "y", "z")
WANTED = (*NAMES, "x | y", "z | y | nobody")
GLOBS = ("*", "net/*", "a", "?", "fs/[ab]", "nothing")

#: The same runs every time, so that what is red stays red. To look for new trouble: `EXPLORE=20000 pytest tests/core`.
EXPLORE = int(os.environ.get("EXPLORE", "0"))
thorough = settings(max_examples=EXPLORE or 600, derandomize=not EXPLORE)

#: Runs are made of bytes: hypothesis makes them fast, and shrinks them well.
tapes = st.binary(min_size=100, max_size=300).map(Tape)


def some(tape: Tape, things: tuple[object, ...], often: int) -> tuple[object, ...]:
    """None of them, one or two; the more `often` in 16 the more."""
    chosen = [things[tape.below(len(things))] for _ in range(2) if tape.below(16) < often]
    return tuple(dict.fromkeys(chosen))


def a_spec(tape: Tape, key: str) -> TaskSpec:
    uses = some(tape, LOCKS, 4)
    return TaskSpec(
        key,
        requires=some(tape, WANTED, 4),
        requires_all=some(tape, WANTED, 2),
        provides=some(tape, NAMES, 6),
        after=tuple(str(glob) for glob in some(tape, GLOBS, 1)),
        uses=uses,
        claims=tuple(name for name in some(tape, LOCKS, 5) if name not in uses),
        priority=(0, 0, 1, 2)[tape.below(4)],
        always=tape.below(5) == 4,
        retries=(0, 0, 1, 2)[tape.below(4)],
        retry_on=(RETRIED, FAILURES, frozenset({Cause.FAILED}))[tape.below(3)],
        max_crashes=(1, 0, None)[tape.below(3)],
        declared=Declared(tape.below(3)),
        survives_reboot=tape.below(4) == 3,
        recovers=tuple(name for name in some(tape, LOCKS, 3) if name not in uses),
        cleared_by_reboot=tape.below(3) == 2,
        on_fail_locks=(None, None, None, "free", "hold")[tape.below(5)],
        on_fail_deps=(None, None, None, "keep", "break")[tape.below(5)],
        when=(None, None, "n >= 1", "n >= 2")[tape.below(4)],
        group=(None, None, None, "vm", "net")[tape.below(5)],
    )


@given(tapes)
@thorough
def test_whatever_happens_every_task_comes_to_one_lawful_end(tape: Tape) -> None:
    tasks = [a_spec(tape, key) for key in KEYS[: 2 + tape.below(len(KEYS) - 1)]]
    known = 1 + tape.below(len(tasks))
    max_fail = (None, None, 1, 2)[tape.below(4)]
    Run(tasks[:known], tasks[known:], tape, 1 + tape.below(4), max_fail).play()


@given(tapes)
@thorough
def test_a_lock_has_one_writer_or_readers_and_nobody_waits_without_need(tape: Tape) -> None:
    tasks = [
        TaskSpec(
            f"t{number}",
            uses=(LOCKS[tape.below(5)],) if tape.below(2) else (),
            claims=(LOCKS[tape.below(5)],) if tape.below(3) else (),
            priority=(0, 0, 0, 1)[tape.below(4)],
            declared=Declared(tape.below(3)),
            recovers=(LOCKS[tape.below(5)],) if tape.below(4) == 3 else (),
        )
        for number in range(4 + tape.below(9))
    ]
    known = 1 + tape.below(len(tasks))
    Run(tasks[:known], tasks[known:], tape, workers=2 + tape.below(9)).play()
