"""Tasks that wait for each other: found before a run for the message, and at a standstill to go on.

Nothing is decided here; what is to be done about a circle is the business of whoever asks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pexen_state.core.deps import Deps


def circles(deps: Deps, waiting: Collection[int]) -> Iterator[list[int]]:
    """Circles among waiting tasks, each as the tasks in the order in which they wait for the next one.

    From each task one step is taken, to the first waiting provider of the first thing that it waits for, and
    no task is walked over twice: so this is linear and finds no two circles with a common task. If every task
    waits for another one of them, it finds at least one circle.
    """
    provider: dict[tuple[bool, object], int] = {}
    for task in waiting:
        for gate in deps[task].provides:
            provider.setdefault((gate.order_only, gate.label), task)
    walked: set[int] = set()
    for start in waiting:
        path: dict[int, int] = {}  # task -> its place on this walk
        step: int | None = start
        while step is not None and step not in walked:
            walked.add(step)
            path[step] = len(path)
            gates = ((gate.order_only, gate.label) for gate in deps.shut_gates(step))
            step = next((provider[gate] for gate in gates if gate in provider), None)
        if step is not None and step in path:
            yield list(path)[path[step] :]
