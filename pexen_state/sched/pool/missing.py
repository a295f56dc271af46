"""Orders that may have died in the hands of a worker that had not yet said that it took them.

Between taking a chunk and beginning it lie a few microseconds; a worker that dies just then leaves no trace of
the chunk. It is missed because it is neither queued nor begun. A living worker may be in those microseconds,
too; so every worker that is at nothing is replaced, and what is still not begun then is nobody's.
"""

from __future__ import annotations

import pickle

from pexen_state.sched.pool import wire
from pexen_state.sched.pool.flights import Flight, Flights
from pexen_state.sched.pool.slots import Slots
from pexen_state.sched.pool.staff import Staff


class Missing:
    def __init__(self, staff: Staff, slots: Slots, flights: Flights) -> None:
        self._staff = staff
        self._slots = slots
        self._flights = flights
        self._marks: set[int] = set()
        self._suspects: dict[int, tuple[int, int]] = {}  # worker's pid -> (slot, how many it had begun)

    @property
    def is_going_on(self) -> bool:
        return bool(self._marks)

    def search(self) -> None:
        """A worker died that was at nothing: see whether anything is missing."""
        queued = self._staff.take_back()
        accounted = {fields[1] for chunk in queued for fields in pickle.loads(chunk)}
        for chunk in queued:
            self._staff.order(chunk)
        begun = self._begun()
        held = self._flights.held_chunks(begun)
        self._marks.update(
            flight.mark
            for flight in self._flights
            if flight.mark not in accounted and flight.mark not in begun and flight.chunk not in held
        )
        if not self._marks:
            return
        for hired in self._staff.hired.values():
            if not self._slots.mark(hired.worker):
                self._suspects[hired.pid] = (hired.worker, self._slots.count(hired.worker))
        self._staff.tell(wire.RenewIdle())

    def is_gone(self, pid: int) -> None:
        self._suspects.pop(pid, None)

    def found(self) -> list[Flight]:
        """Those that surely nobody holds; empty while that is not known."""
        for pid, (worker, count) in list(self._suspects.items()):
            if self._slots.count(worker) != count:
                del self._suspects[pid]  # it was about to begin something, and has
        if self._suspects:
            return []
        begun = self._begun()
        marks, self._marks = self._marks, set()
        return [flight for flight in self._flights if flight.mark in marks and flight.mark not in begun]

    def _begun(self) -> set[int]:
        begun: set[int] = set()
        for index in range(self._slots.workers):
            begun |= self._slots.begun_by(index, self._slots.count(index))
        return begun
