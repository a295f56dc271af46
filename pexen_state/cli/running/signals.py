"""What signals mean to a run: Ctrl-C in three stages, SIGTERM, SIGHUP.

The handlers only ask the scheduler, which takes the question with its next turn; nothing is decided here. Ctrl-C
starts nothing new; a second one stops what runs; a third one leaves at once. SIGTERM is the second stage. SIGHUP
means that the terminal is gone, which is no reason to end.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from pexen_state.cli.errors import Exit

if TYPE_CHECKING:
    from pexen_state.core.plan import Plan


class Steered(Protocol):
    """What is asked of the scheduler."""

    plan: Plan | None

    def pause(self, by: str = ...) -> None: ...

    def stop(self, by: str = ...) -> None: ...


class Shown(Protocol):
    """Where sentences go."""

    restore: bytes

    def say(self, text: str) -> None: ...


class Signals(contextlib.AbstractContextManager["Signals"]):
    """Handles them for the time of a session. `running` says how many tasks run now.

    Before `opened` there is nothing to be steered: any of them ends the command. From then on what is to be said goes
    through the display, which may be in the middle of a frame.
    """

    def __init__(self, sched: Steered, running: Callable[[], int]) -> None:
        self._sched = sched
        self._running = running
        self._display: Shown | None = None
        self._presses = 0
        self.is_stopping = False  #: by SIGTERM, as systemd and a shutdown send it
        self._follower: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for number, handler in (
            (signal.SIGINT, self._interrupt),
            (signal.SIGTERM, self._terminate),
            # Never SIG_IGN: programs that are started would inherit that.
            (signal.SIGHUP, self._hang_up),
        ):
            before = signal.getsignal(number)
            if before is signal.SIG_IGN:
                continue  # nohup, or a job in the background: whoever started us meant it
            self._before[number] = before
            signal.signal(number, handler)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def opened(self, display: Shown) -> None:
        """From now on there is a run."""
        self._display = display

    def following(self, group: int) -> None:
        """The run is over, and this process group runs what follows: from now on that is what is to be stopped."""
        self._follower = group

    def _stop_the_follower(self, display: Shown, follower: int) -> None:
        display.say("pexen: stopping the command of --on-finish; the run itself is over.")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(follower, signal.SIGTERM)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self._display is None:
            raise KeyboardInterrupt
        if self._follower is not None and self._presses < 2:
            self._presses += 1
            self._stop_the_follower(self._display, self._follower)
            return
        self._presses += 1
        if self._presses == 1:
            running = self._running()
            tasks = (
                "1 task is still running and may end"
                if running == 1
                else f"{running} tasks are still running and may end"
            )
            self._sched.pause("interrupt")
            self._display.say(f"pexen: interrupted: nothing new is started; {tasks}. Ctrl-C again stops them.")
        elif self._presses == 2:
            self._display.say(
                "pexen: stopping what runs. Ctrl-C again leaves at once; `pexen resume` goes on in any case."
            )
            self._sched.stop("interrupt")
        else:
            with contextlib.suppress(OSError):
                os.write(1, self._display.restore)  # not through a stream, which may be in the middle of a write
            os._exit(Exit.UNFINISHED)  # the keeper ends what runs; the journal is consistent at any time

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        if self._display is None:
            raise KeyboardInterrupt
        if self._follower is not None:
            self._stop_the_follower(self._display, self._follower)
            return
        self._presses = max(self._presses, 2)
        self.is_stopping = True
        if self._sched.plan is not None and self._sched.plan.is_rebooting:
            self._display.say("pexen: the box goes down, as tasks have asked. `pexen resume` goes on after the boot.")
        else:
            self._display.say("pexen: asked to end: stopping what runs. `pexen resume` goes on.")
        self._sched.stop("SIGTERM")

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        pass
