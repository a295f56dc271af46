"""What a process pool has in flight: which attempts, in which chunks they were sent, and who took those.

Workers take chunks by themselves, so the pool knows that one was taken only when something of it begins or
ends. That is enough to tell, when a worker dies, what it had begun, what it held, and what it cannot have held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pexen_state.sched.pool.base import Job
from pexen_state.sched.pool.bodies import Reference
from pexen_state.sched.pool.slots import mark_of


@dataclass(slots=True, eq=False)
class Flight:
    """One attempt from its handing over to its report."""

    job: Job
    mark: int
    order: tuple[object, ...]  #: as it was sent: the fields of an `Order`
    serial: int
    chunk: int = 0  #: 0 until it is sent
    began: bool = False  #: and that was reported


def flight_of(job: Job, serial: int, body: Reference, shared: bytes | None) -> Flight:
    """With the order for the worker, who finds the body by that reference."""
    mark = mark_of(job.task, job.attempt)
    context = job.context
    who = tuple(context) if context is not None else None
    # An `Order`, as it travels: without its class.
    return Flight(job, mark, (serial, mark, body, shared, tuple(job.limits), who, job.output), serial)


class Flights:
    def __init__(self) -> None:
        self._flights: dict[int, Flight] = {}  # by mark, oldest first
        self._chunks: dict[int, list[Flight]] = {}  # only those of more than one, until all have ended
        self._holders: dict[int, int] = {}  # chunk -> the worker's slot, once known
        self._last_chunk = 0
        self.began = 0  #: how many of them were reported to have begun

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, mark: int) -> bool:
        return mark in self._flights

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._flights.values()))

    def get(self, mark: int) -> Flight | None:
        return self._flights.get(mark)

    def add(self, flight: Flight) -> None:
        self._flights[flight.mark] = flight

    def sent(self, chunk: list[Flight]) -> None:
        """These go out as one chunk."""
        self._last_chunk += 1
        for flight in chunk:
            flight.chunk = self._last_chunk
        if len(chunk) > 1:
            self._chunks[self._last_chunk] = list(chunk)

    def mark_begun(self, flight: Flight, worker: int) -> None:
        flight.began = True
        self.began += 1
        self._held(flight, worker)

    def pop(self, mark: int, worker: int | None = None) -> Flight | None:
        """An attempt is over; `worker` is whose it was, if that is known."""
        flight = self._flights.pop(mark, None)
        if flight is None:
            return None
        self.began -= flight.began
        members = self._chunks.get(flight.chunk)
        if members is not None:
            if worker is not None:
                self._held(flight, worker)
            members.remove(flight)
            if not members:
                del self._chunks[flight.chunk]
                self._holders.pop(flight.chunk, None)
        return flight

    def _held(self, flight: Flight, worker: int) -> None:
        if flight.chunk in self._chunks:
            self._holders[flight.chunk] = worker

    def held_by(self, worker: int, begun: Iterable[Flight]) -> list[Flight]:
        """What is left of the chunks that a worker had in its hands when it began `begun`, or before."""
        chunks = {chunk for chunk, holder in self._holders.items() if holder == worker}
        chunks.update(flight.chunk for flight in begun)
        return [flight for flight in self._flights.values() if flight.chunk in chunks]

    def held_chunks(self, begun: set[int]) -> set[int]:
        """Chunks that somebody is known to hold, because something of them ended, or is in `begun`."""
        chunks = set(self._holders)
        chunks.update(flight.chunk for mark, flight in self._flights.items() if mark in begun)
        return chunks

    def forget_holder(self, worker: int) -> None:
        self._holders = {chunk: holder for chunk, holder in self._holders.items() if holder != worker}
