"""huey on SQLite, write-ahead log, `synchronous=FULL`: tasks are put into its queue, then run by two threads.

It knows no order and no locks between tasks that it holds back, so it runs independent tasks alone.
"""

from __future__ import annotations

import logging
import threading
import time

from huey import SqliteHuey
from huey.signals import SIGNAL_COMPLETE

from scripts.benchmark import child
from scripts.benchmark.shapes import shape_of
from scripts.benchmark.witness import Witness


def main() -> None:
    asked = child.asked()
    logging.disable()
    witness = Witness(shape_of(asked.shape, asked.n), asked.sleep_us)
    huey = SqliteHuey(filename=asked.path("huey.db"), fsync=True)

    @huey.task()
    def run(number: int) -> bool:
        witness.bodies[number]()
        return True

    completed = threading.Semaphore(0)

    @huey.signal(SIGNAL_COMPLETE)
    def count(signal: str, task: object) -> None:
        completed.release()  # its result is stored; to read it would be one more transaction

    called = time.perf_counter()
    for number in range(asked.n):
        run(number)
    enqueued = time.perf_counter()
    consumer = huey.create_consumer(workers=2, initial_delay=0.001, max_delay=0.002, check_worker_health=False)
    consumer.start()
    for _ in range(asked.n):
        completed.acquire()
    ended = time.perf_counter()
    consumer.stop(graceful=True)
    child.tell(ended - called, witness.complaints(), enqueue_seconds=enqueued - called)


if __name__ == "__main__":
    main()
