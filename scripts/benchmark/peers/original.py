"""The original pexen: in memory, a pool of two threads."""

from __future__ import annotations

import time
import warnings

from pexen.sched import Sched, meta, pool

from scripts.benchmark import child
from scripts.benchmark.shapes import shape_of
from scripts.benchmark.witness import Witness, without_gc


def main() -> None:
    asked = child.asked()
    warnings.simplefilter("ignore")
    witness = Witness(shape := shape_of(asked.shape, asked.n), asked.sleep_us)
    has_edges = any(shape.parents)
    with without_gc():
        for number, body in enumerate(witness.bodies):
            fields: dict[str, object] = {}
            if has_edges:
                fields["provides"] = {number}
            if shape.parents[number]:
                fields["requires"] = set(shape.parents[number])
            if shape.locks[number] is not None:
                fields["claims"] = {f"lock{shape.locks[number]}"}
            if fields:
                meta.assign_meta(body, meta.SchedMeta(**fields))
    began = time.perf_counter()
    sched = Sched(witness.bodies)
    called = time.perf_counter()
    taken = sum(1 for _ in sched.run(pool.ThreadWorkerPool(2)))
    ended = time.perf_counter()
    complaints = witness.complaints()
    if taken != asked.n:
        complaints.append(f"{taken} results of {asked.n} tasks")
    child.tell(ended - called, complaints, build_seconds=called - began)


if __name__ == "__main__":
    main()
