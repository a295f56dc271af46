"""How an attempt's end is told to the plan, when more is known of it than the pool can know.

The kernel had something to say meanwhile; the time of all attempts together is over; a reboot was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pexen_state.core.inputs import Ending
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.common import Reboot
from pexen_state.sched.kernel_watch import KernelWatch, told, watch_for
from pexen_state.sched.pool.base import Outcome
from pexen_state.sched.rebooter import Rebooter
from pexen_state.sched.time_limits import TimeSpent


class Endings:
    """`survives`: the run would go on after a reboot. `specs` are by task number."""

    def __init__(
        self,
        specs: Sequence[TaskSpec],
        spent: TimeSpent,
        kernel: KernelWatch | None,
        rebooter: Rebooter | None,
        survives: bool,
    ) -> None:
        self._specs = specs
        self._spent = spent
        self._kernel = kernel
        self._rebooter = rebooter
        self._survives = survives
        self._own: KernelWatch | None = None  # begun for a task that joined
        self.limited = spent.limited  #: tasks of which the time of each attempt has to be told
        self.is_trouble = False  #: the kernel has told of trouble, of which an attempt may have to hear

    def joined(self, specs: Iterable[TaskSpec]) -> None:
        """Tasks joined the run: the first that is to fail of the kernel's trouble has somebody look out for that."""
        if self._kernel is None:
            self._kernel = self._own = watch_for(specs, False)

    def close(self) -> None:
        if self._own is not None:
            self._own.close()

    def look(self) -> None:
        """Before the ends that were reported now are told: what came before them has to be known."""
        if self._kernel is not None:
            self.is_trouble = self._kernel.look()

    def as_told(self, task: int, ending: Ending, outcome: Outcome) -> Ending:
        """May add to what the attempt left."""
        spec = self._specs[task]
        if ending.cause is Cause.REBOOT_ASKED:
            ending = self._asks_for_reboot(ending, outcome)
        if self.is_trouble and self._kernel is not None and self._kernel.is_told(spec):
            lines = self._kernel.during(outcome.seconds, outcome.began_us)
            if lines:
                ending, result = told(ending, lines, gates=spec.kernel == "fail")
                outcome.results = (*outcome.results, result)
        return self._spent.ended(task, spec, outcome.seconds, ending) if task in self.limited else ending

    def lost(self, task: int, outcome: Outcome) -> None:
        """An attempt did not come to an end of its own."""
        if task in self.limited:
            self._spent.lost(task, outcome.seconds)

    def _asks_for_reboot(self, ending: Ending, outcome: Outcome) -> Ending:
        if not self._survives:
            reason = "it asked for a reboot, which a run without a journal does not survive"
            return Ending(Cause.RAISED, Verdict.ERROR, reason=reason)
        asked = outcome.excinfo.val if outcome.excinfo is not None else None
        if isinstance(asked, Reboot):
            outcome.mark = asked.mark
            if self._rebooter is not None:
                self._rebooter.allow(asked.timeout)
        return ending
