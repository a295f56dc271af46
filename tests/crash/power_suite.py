"""The suite that loses its power: its results, and what its tasks keep, are told to a witness when they are durable.

    python -m tests.crash.power_suite DIRECTORY WITNESS [BREAKAGE]

In WITNESS: `A key` when the caller was given a result, `C key value` when a task was told that a value is kept.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pexen_state import Sched, current, task
from pexen_state.sched.pool import ThreadWorkerPool

TASKS = 40


def tell(witness: str | None, line: str) -> None:
    if witness is not None:
        descriptor = os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)


def suite(witness: str | None) -> list:
    made = []
    for number in range(TASKS):

        @task(name=f"t{number}", claims=[f"lock{number % 3}"], requires=[f"p{number - 7}"] if number >= 7 else [])
        def one(shared, number=number):
            if number % 5 == 0:
                current().checkpoint("kept", number)
                tell(witness, f"C t{number} {number}")
            shared[f"s{number}"] = "x" * (number * 37)
            if number % 11 == 10:
                raise AssertionError(number)
            return number

        one.__pexen_meta__.provides = [f"p{number}"] if number < TASKS - 7 else []
        one.__pexen_meta__.on_fail = {"deps": "keep"}
        made.append(one)
    return made


def main(directory: str, witness: str, breakage: str | None = None) -> None:
    if breakage is not None:
        from tests.crash import breakages

        getattr(breakages, breakage)()
    sched = Sched(suite(witness), journal=Path(directory) / "journal.db")
    for result in sched.run(ThreadWorkerPool(workers=2, spare=3)):
        tell(witness, f"A {result.key}")


if __name__ == "__main__":
    main(*sys.argv[1:])
