"""The standard library: `graphlib` says what may run, a `ThreadPoolExecutor` of two threads runs it. In memory."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter

from scripts.benchmark import child
from scripts.benchmark.shapes import shape_of
from scripts.benchmark.witness import Witness

#: `wait` looks at every future that it is given, so no more than these are in flight.
IN_FLIGHT = 64


def main() -> None:
    asked = child.asked()
    witness = Witness(shape := shape_of(asked.shape, asked.n), asked.sleep_us)
    began = time.perf_counter()
    sorter = TopologicalSorter(dict(enumerate(shape.parents)))
    called = time.perf_counter()
    sorter.prepare()
    ready: list[int] = []
    running: dict[Future[None], int] = {}
    with ThreadPoolExecutor(2) as pool:
        while sorter.is_active():
            ready.extend(sorter.get_ready())
            while ready and len(running) < IN_FLIGHT:
                number = ready.pop()
                running[pool.submit(witness.bodies[number])] = number
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                future.result()
                sorter.done(running.pop(future))
        last = time.perf_counter()
    child.tell(last - called, witness.complaints(), build_seconds=called - began)


if __name__ == "__main__":
    main()
