"""DBOS on SQLite: every task is a step of a workflow, and its result is in the database before the next begins.

Independent tasks are the steps of two workflows at a time; a chain is one workflow. What is between (layers, locks)
would have to be scheduled by hand.
"""

from __future__ import annotations

import time

from dbos import DBOS, SetWorkflowID

from scripts.benchmark import child
from scripts.benchmark.shapes import shape_of
from scripts.benchmark.witness import Witness


def main() -> None:
    asked = child.asked()
    witness = Witness(shape_of(asked.shape, asked.n), asked.sleep_us)
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{asked.path('dbos.db')}",
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )

    @DBOS.step()
    def step(number: int) -> None:
        witness.bodies[number]()

    @DBOS.workflow()
    def workflow(first: int, stride: int) -> None:
        for number in range(first, asked.n, stride):
            step(number)

    DBOS.launch()
    at_once = 1 if asked.shape == "chain" else 2
    began = time.perf_counter()
    handles = []
    for first in range(at_once):
        with SetWorkflowID(f"part-{first}"):
            handles.append(DBOS.start_workflow(workflow, first, at_once))
    for handle in handles:
        handle.get_result(polling_interval_sec=0.01)
    ended = time.perf_counter()
    child.tell(ended - began, witness.complaints())
    DBOS.destroy()


if __name__ == "__main__":
    main()
