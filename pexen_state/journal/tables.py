"""A turn in the tables: what is appended, and the projection that follows from it, by compare-and-swap.

Everything here happens within a transaction of the caller's, who alone commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn

from pexen_state.core.decisions import Freeing
from pexen_state.core.locks import normal_name
from pexen_state.core.states import State
from pexen_state.journal import restore, statements
from pexen_state.journal.errors import JournalConflict
from pexen_state.journal.ids import ids_of, task_base
from pexen_state.journal.specs import spec_from_json
from pexen_state.journal.store import Store
from pexen_state.journal.turn import Memory, Row, Rows, Stretch


class Tables:
    """Where turns are written. What joined since the last turn waits here for the one that says so."""

    def __init__(self, store: Store, db: str) -> None:
        self._store = store
        self._db = db  # for messages
        self._added: list[Row] = []
        self._fingerprints: list[Row] = []

    def keep_tasks(self, rows: Iterable[Row]) -> None:
        """Tasks that join the run, to be written with the next turn."""
        self._added.extend(rows)

    def keep_fingerprints(self, base: int, fingerprints: Mapping[int, bytes]) -> None:
        """Of tasks that are sent back, by number, to be written with the next turn."""
        self._fingerprints.extend((now, base + number) for number, now in fingerprints.items())

    def write(self, memory: Memory, rows: Rows) -> None:
        """Raises JournalConflict if a task is not where its decision starts from."""
        if self._added:
            self.insert_tasks(memory, self._added, len(self._added))
            self._added = []
        if self._fingerprints:
            self._store.run(statements.SET_FINGERPRINT, self._fingerprints)
            self._fingerprints = []
        changed = sum(self._write_alike(stretch, rows) for stretch in rows.alike)
        self._store.insert(statements.INSERT_TRANSITION, rows.transitions)
        changed += (
            self._store.run(statements.SUBMIT_TASK, rows.submits)
            + self._store.run(statements.FINISH_TASK, rows.finishes)
            + self._store.run(statements.MOVE_TASK, rows.moves)
        )
        if changed != rows.projected:
            self._conflict(rows)
        self._store.insert(statements.INSERT_ATTEMPT, rows.ends)
        self._store.insert(statements.INSERT_FULL_ATTEMPT, rows.full_ends)
        self._store.run(statements.END_BEGUN_ATTEMPT, rows.begun_ends)
        self._store.insert(statements.BEGIN_ATTEMPT, rows.begins)
        self._store.run(statements.INSERT_RESULT, rows.results)
        self._store.run(statements.INSERT_EVENT, rows.events)
        self._store.run(statements.CLEAR_LOCKS, rows.cleared)
        for seq, freeing in rows.freed:
            self._free(memory.run, seq, freeing)

    def insert_tasks(self, memory: Memory, rows: Iterable[Row], count: int) -> None:
        """The last `count` tasks of the run."""
        last = task_base(memory.run) + memory.tasks
        self._store.insert(statements.INSERT_TASK, rows)
        self._store.run(statements.CLEAR_TASKS, [(last - count + 1, last)])

    def _write_alike(self, stretch: Stretch, rows: Rows) -> int:
        """Transitions, and the projection that follows from them. Returns how many tasks were where they should be."""
        if stretch.submits and stretch.is_series:
            return self._submit_series(stretch, rows)
        said = (stretch.seq, rows.base, *stretch.step, rows.at_us, stretch.as_json())
        self._store.run(statements.INSERT_ALIKE, [said])
        places = (stretch.seq, stretch.last_seq)
        if stretch.submits:
            return self._store.run(statements.SUBMIT_ALIKE, [places])
        return self._store.run(statements.FINISH_ALIKE, [(*places, *stretch.old_range)])

    def _submit_series(self, stretch: Stretch, rows: Rows) -> int:
        """The same for tasks whose numbers follow each other, as their `seq` do: one is told from the other."""
        ids = (rows.base + stretch.tasks[0], rows.base + stretch.tasks[-1])
        ahead = stretch.seq - ids[0]
        self._store.run(statements.INSERT_SERIES, [(ahead, *stretch.step, rows.at_us, *ids)])
        said = (stretch.attempt, ahead, stretch.locks, *ids, stretch.attempt - 1)
        return self._store.run(statements.SUBMIT_SERIES, [said])

    def _free(self, run: int, seq: int, freeing: Freeing) -> None:
        """Free the locks of tasks that had ended and have nothing else left to hold."""
        name = normal_name(freeing.lock)
        freed = [
            (at, normal_name(one.lock))
            for at, one in restore.interventions(self._store.fetch, run)
            if isinstance(one, Freeing) and at <= seq
        ]
        for task, key, spec_json, ended in self._store.fetch(statements.KEPT_LOCKS, (*ids_of(run), seq)):
            spec = spec_from_json(key, spec_json)
            held = {normal_name(one) for one in (*spec.alone, *spec.uses)}
            if name in held and held <= {lock for at, lock in freed if at > ended}:
                self._store.run(statements.FREE_LOCKS, [(task,)])

    def _conflict(self, rows: Rows) -> NoReturn:
        """Find the first task that is not where it should be, for the message; the caller's transaction ends."""
        last = {row[1]: row for row in sorted(rows.all_transitions())}
        for seq, task, attempt, _, old, new, *_ in last.values():
            known = self._store.fetch(statements.STANDING, (task,))
            key, state, its_attempt = known[0] if known else ("?", State.WAITING, 0)
            if (state, its_attempt) != (new, attempt):
                raise JournalConflict(
                    f"{key}: decision {seq}, {State(old).word} -> {State(new).word} of attempt {attempt}, does not fit "
                    f"what the journal {self._db} says: {State(state).word}, attempt {its_attempt}. Somebody else "
                    "wrote to this run. Nothing was written; `pexen db check` looks closer."
                )
        raise JournalConflict(f"another process wrote to the journal {self._db}. Nothing was written.")
