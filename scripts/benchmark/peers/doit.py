"""doit, which keeps what was done in its sqlite3 backend, and writes it when the run is over."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from typing import Any

from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain

from scripts.benchmark import child
from scripts.benchmark.shapes import shape_of
from scripts.benchmark.witness import Witness

#: Variant -> its options: one task after the other, or two threads.
OPTIONS = {"serial": [], "thread": ["-n", "2", "-P", "thread"]}


def main() -> None:
    asked = child.asked()
    witness = Witness(shape := shape_of(asked.shape, asked.n), asked.sleep_us)

    def task_all() -> Iterator[dict[str, Any]]:
        for number, body in enumerate(witness.bodies):
            yield {
                "name": str(number),
                "actions": [(body,)],
                "task_dep": [f"all:{parent}" for parent in shape.parents[number]],
                "uptodate": [False],
            }

    arguments = ["run", "--backend", "sqlite3", "--db-file", asked.path("doit.db"), "--reporter", "zero"]
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        status = DoitMain(ModuleTaskLoader({"task_all": task_all})).run([*arguments, *OPTIONS[asked.variant]])
    ended = time.perf_counter()
    complaints = witness.complaints()
    if status:
        complaints.append(f"exit status {status}")
    child.tell(ended - began, complaints)


if __name__ == "__main__":
    main()
