"""Whoever follows a run: it is given what was decided, item by item, and says what it is done with.

With a consumer's name it is one of the workers of that consumer, and takes what no other worker has. Without a name
it is alone, and nothing is remembered.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType

from pexen_state.journal.following.cursors import Claim, ConsumerError, Cursors, Known, Standing, boot_clock_us
from pexen_state.journal.following.event import Event
from pexen_state.journal.following.source import Source, Wait
from pexen_state.journal.following.stream import START, TYPES, Item, Position, behind
from pexen_state.journal.specs import sql_text
from pexen_state.util import PexenError

LEASE_S = 600.0

_NAME_CHARS = 200
_MOST = 256  # items that a worker takes at once
_AHEAD_S = 0.05  # for which it takes items ahead; and what a kill repeats of what was done
_PAGE = 64  # decisions that are read at once, at least
_PAGE_ALONE = 2000


class BadConsumer(PexenError, ValueError):
    """A name that no consumer can have, or types that there are not."""


class _Desk:
    """Where events are acknowledged. In a loop that acknowledges by itself they know no more than this: whoever keeps
    an event does not keep the loop from being left."""

    def __init__(self, cursors: Cursors | None, consumer: int) -> None:
        self._cursors = cursors
        self._consumer = consumer
        self._pid = os.getpid()

    def acknowledge(self, events: Sequence[Event]) -> None:
        self.check_process()
        if self._cursors is not None:
            self._cursors.acknowledge(self._consumer, [event.position for event in events])

    def check_process(self) -> None:
        if os.getpid() != self._pid:
            raise ConsumerError(
                f"these events are followed by the process {self._pid}, and this is a child of it. "
                "Call events() in each process."
            )


class Follower:
    """An iterator of events; one for each thread. Leaving it gives back what was not acknowledged.

    With `ack=False` it is left when `close()` is called, or nobody has it or one of its events any more.
    """

    def __init__(
        self,
        journal: str | os.PathLike[str],
        run: int | str = "latest",
        *,
        consumer: str | None = None,
        follow: bool = True,
        types: Iterable[str] | None = None,
        after: int = 0,
        ack: bool = True,
        lease: float | None = LEASE_S,
        wait: Wait | None = None,
        clock: Callable[[], float] = time.monotonic,
        boot_clock: Callable[[], int] = boot_clock_us,
    ) -> None:
        self._source: Source
        self._pid = os.getpid()
        self._is_over = True  # until all is there: nothing is to be closed
        self._types = _types(types)
        if consumer is not None and after:
            raise BadConsumer("a consumer remembers how far it got: `after` is for whoever has no name")
        name = None if consumer is None else _name(consumer)
        self._source = Source(journal, run)
        self._follow = follow
        self._acks = ack
        self._pause = wait or _sleep
        self._clock = clock
        self._busy = threading.Lock()
        self._ahead: deque[Item] = deque()  # read, and not handed out
        self._reached = behind(after)  # how far was read
        self._batch: deque[Event] = deque()  # taken, and not given to the caller
        self._in_hand: Event | None = None
        self._done: list[Position] = []  # and not written yet
        self._want, self._written_at = 1, clock()
        self._taken_at: float | None = None  # when the caller was given the last ones
        self._until_us: int | None = None
        # What the last look found, and what the files were like before it.
        self._was_at_end, self._was_over = False, False
        self._seen = self._source.status()
        self._waits_for: tuple[str, ...] = ()  # files besides the journal
        self._fruitless = 0  # looks that found nothing, since somebody else was faster
        self._lease = lease
        self._cursors: Cursors | None = None
        self._consumer, self._worker = 0, 0
        if name is not None:
            self._cursors = Cursors(self._source.paths, boot_clock)
            types_said = "everything" if self._types == frozenset(TYPES) else " ".join(sorted(self._types))
            self._consumer, self._worker = self._cursors.enter(name, self._source.run, self._source.uuid, types_said)
            self._reached = START
        self._desk = _Desk(self._cursors, self._consumer)
        self._acknowledge = self._desk.acknowledge if ack else self.acknowledge
        self._is_over = False

    # == an iterator =====================================================================================

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        """The next one. With `ack=True` that acknowledges the one before."""
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("two threads ask one iterator of events: each needs one of its own")
        try:
            self._desk.check_process()
            if self._in_hand is not None and self._acks:
                self._done.append(self._in_hand.position)
            self._in_hand = None
            if self._cursors is not None and self._batch:
                if self._until_us is not None and self._cursors.clock_us() >= self._until_us:
                    self._batch.clear()  # others may have it by now
                elif self._done and self._clock() - self._written_at > _AHEAD_S:
                    self._cursors.acknowledge(self._consumer, self._done)
                    self._wrote()
            if not self._batch:
                self._batch.extend(self._take())
            if not self._batch:
                if self._acks:
                    self.close()
                raise StopIteration
            self._in_hand = self._batch.popleft()
            return self._in_hand
        finally:
            self._busy.release()

    def batches(self) -> Iterator[list[Event]]:
        """The same by as many as are taken at once; `acknowledge` is up to the caller."""
        while batch := self._take():
            yield batch
        self.close()

    def acknowledge(self, events: Sequence[Event]) -> None:
        """On the disk when this returns. Who is no consumer has nothing to acknowledge."""
        self._desk.acknowledge(events)

    def close(self) -> None:
        """Give back what was not acknowledged, so that others need not wait for it."""
        if self._is_over or os.getpid() != self._pid:
            return
        self._is_over = True
        self._batch.clear()
        if self._cursors is not None:
            self._cursors.leave(self._consumer, self._worker, self._done)
            self._wrote()

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(Exception):  # nobody is there to be told; who is dead has nothing in hand
            self.close()

    # == taking ==========================================================================================

    def _take(self) -> list[Event]:
        """The next ones, as soon as there are any; none at the end."""
        self._adapt()
        while not self._is_over:
            taken, then = self._alone() if self._cursors is None else self._share(self._cursors)
            if taken:
                self._taken_at = self._clock()
                self._fruitless = 0
                return taken
            if then == "end":
                break
            # Who was at the end of the journal waits in any case: a run that goes on has something new all the time,
            # and whoever took it one by one would do nothing else.
            if then == "later" and not self._source.wait(self._pause, self._seen, self._waits_for, self._fruitless):
                break
        return []

    def _alone(self) -> tuple[list[Event], str]:
        if self._was_at_end:
            self._was_at_end = False
            return [], "later" if self._follow and not self._was_over else "end"
        found = self._look(self._reached, _PAGE_ALONE, None)
        return [Event(item, 1, self._acknowledge) for item in found], "now"

    def _share(self, cursors: Cursors) -> tuple[list[Event], str]:
        standing: Standing | None = None
        if not self._ahead and not self._was_at_end:
            standing = cursors.standing(self._consumer, self._worker)
            after = max(self._reached, standing.frontier)
            self._ahead.extend(self._look(after, max(self._want, _PAGE), standing.known))
            if self._reached == after:
                self._fruitless += 1  # others were faster
        if standing is None or self._ahead or self._done or standing.free:
            claim = self._claim(cursors)
            standing = claim.standing
            taken = self._given(claim)
            if taken:
                return taken, "now"
        if not self._was_at_end:
            return [], "now"  # others were faster, or nothing in the page is of our types
        if not self._follow or (self._was_over and not standing.others):
            return [], "end"
        # While the run goes on what others do is of no interest; at its end there is nothing else to wait for.
        self._waits_for = (cursors.path,) if self._was_over else ()
        self._was_at_end = False
        return [], "later"

    def _look(self, after: Position, limit: int, known: Known | None) -> list[Item]:
        """What is there of our types."""
        self._seen = self._source.status()
        look = self._source.look(after, limit, known)
        self._reached, self._was_at_end, self._was_over = look.page.reached, look.page.is_last, look.is_over
        return [item for item in look.page.items if item.said["type"] in self._types]

    def _claim(self, cursors: Cursors) -> Claim:
        offered = [(item.position, _mark(item)) for item in list(self._ahead)[: self._want]]
        claim = cursors.claim(self._consumer, self._worker, offered, self._want, self._lease, self._done)
        self._wrote()
        self._until_us = None if self._lease is None else cursors.clock_us() + round(self._lease * 1e6)
        return claim

    def _given(self, claim: Claim) -> list[Event]:
        """What was taken, in the order of the stream."""
        given: list[Event] = []
        if claim.again:
            times = dict(claim.again)
            items = self._source.items_at(list(times), claim.standing.known)
            given += [Event(item, times[item.position], self._acknowledge) for item in items]
        new = set(claim.new)
        while self._ahead and self._ahead[0].position <= claim.standing.frontier:
            item = self._ahead.popleft()
            if item.position in new:
                given.append(Event(item, 1, self._acknowledge))
        return given

    def _adapt(self) -> None:
        """Take as many as were dealt with in `_AHEAD_S`: one of those that take long, many of those that do not."""
        if self._taken_at is None:
            return
        took = self._clock() - self._taken_at
        if took < _AHEAD_S / 2:
            self._want = min(self._want * 2, _MOST)
        elif took > _AHEAD_S:
            self._want = max(int(self._want * _AHEAD_S / took), 1)

    def _wrote(self) -> None:
        self._done = []
        self._written_at = self._clock()


def _mark(item: Item) -> Known | None:
    return None if item.at_us is None else Known(item.position.seq, item.at_us)


def _name(consumer: object) -> str:
    if not isinstance(consumer, str):
        raise BadConsumer(f"a consumer's name is text, not {consumer!r}")
    if not 0 < len(consumer) <= _NAME_CHARS:
        raise BadConsumer(f"a consumer's name has 1 to {_NAME_CHARS} characters, not {len(consumer)}")
    return sql_text(consumer)


def _types(types: Iterable[str] | None) -> frozenset[str]:
    if types is None:
        return frozenset(TYPES)
    said = frozenset([types] if isinstance(types, str) else types)
    if not said or said - frozenset(TYPES):
        wrong = ", ".join(sorted(map(repr, said - frozenset(TYPES)))) or "none"
        raise BadConsumer(f"types of events are {', '.join(TYPES)}; not {wrong}")
    return said


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return True
