"""The SQL of the writer, named and in one place. Parameters go by position: the driver is fed with tuples."""

from __future__ import annotations

from typing import NamedTuple

from pexen_state.journal.lives import MARK, REBOOTS

#: So many rows go into one statement, where there are that many: a call of the driver costs as much as a row, and at
#: each one the workers' threads are let in.
ROWS = 50


class Insert(NamedTuple):
    """Rows as they are."""

    one: str
    many: str  #: ROWS of them


def _insert(table: str, columns: str, row: str | None = None) -> Insert:
    row = row or f"({','.join('?' * len(columns.split(',')))})"
    into = f"INSERT INTO {table}({columns}) VALUES "
    return Insert(into + row, into + ",".join([row] * ROWS))


# A row grows when its task is submitted, and when it ends. Pages that are full by then would be split, and stay half
# empty. So rows are written as wide as they will be, and what is not known yet is taken out again.
INSERT_TASK = _insert(
    "task",
    "id, state, key, priority, spec, fingerprint, tags, group_name, submitted, ended, verdict",
    "(?,?,?,?,?,?,?,?,4194304,4194304,3)",
)
CLEAR_TASKS = "UPDATE task SET submitted = NULL, ended = NULL, verdict = 0 WHERE id BETWEEN ? AND ?"

_TRANSITION = "seq, task, attempt, withdrawn, old, new, cause, verdict, provided, locks, reason, at_us"
INSERT_TRANSITION = _insert("transition", _TRANSITION)

# Transitions that differ by their task alone: the JSON is an array of those.
INSERT_ALIKE = f"INSERT INTO transition({_TRANSITION}) SELECT ? + key, ? + value, ?,?,?,?,?,?,?,?,?,? FROM json_each(?)"

# The same for tasks whose numbers follow each other, as those that are submitted together mostly do.
INSERT_SERIES = (
    f"INSERT INTO transition({_TRANSITION}) SELECT ? + id, id, ?,?,?,?,?,?,?,?,?,? FROM task WHERE id BETWEEN ? AND ?"
)

INSERT_EVENT = "INSERT INTO run_event(seq, run, kind, data, at_us) VALUES (?,?,?,?,?)"

# The projection, by compare-and-swap: a task that is not where the decision says is not touched, and the number of
# rows changed tells.
SUBMIT_TASK = (
    "UPDATE task SET state = 2, attempt = ?, submitted = ?, locks = ?, reason = NULL"
    " WHERE id = ? AND state IN (0, 1) AND attempt = ?"
)

# The same for many at once: what they are to be is in the transitions that were just written.
SUBMIT_ALIKE = (
    "UPDATE task SET state = 2, attempt = t.attempt, submitted = t.seq, locks = t.locks, reason = NULL"
    " FROM transition AS t"
    " WHERE t.seq BETWEEN ? AND ? AND task.id = t.task AND task.state IN (0, 1) AND task.attempt = t.attempt - 1"
)
SUBMIT_SERIES = (
    "UPDATE task SET state = 2, attempt = ?, submitted = ? + id, locks = ?, reason = NULL"
    " WHERE id BETWEEN ? AND ? AND state IN (0, 1) AND attempt = ?"
)
FINISH_ALIKE = (
    "UPDATE task SET state = t.new, verdict = t.verdict, provided = t.provided, locks = t.locks, reason = t.reason,"
    " ended = t.seq FROM transition AS t"
    " WHERE t.seq BETWEEN ? AND ? AND task.id = t.task AND task.state BETWEEN ? AND ? AND task.attempt = t.attempt"
)

FINISH_TASK = (
    "UPDATE task SET state = ?, verdict = ?, provided = ?, locks = ?, reason = ?, ended = ?"
    " WHERE id = ? AND state BETWEEN ? AND ? AND attempt = ?"
)

MOVE_TASK = (
    "UPDATE task SET state = ?, attempt = ?, submitted = coalesce(?, CASE WHEN ? THEN submitted END), ended = ?,"
    " withdrawn = withdrawn + ?, failures = failures * ? + ?, crashes = crashes * ? + ?,"
    " reboots = reboots * ? + ?,"
    " verdict = ?, provided = ?, locks = ?, reason = ?"
    " WHERE id = ? AND state BETWEEN ? AND ? AND attempt = ?"
)

# What the code of a task that was sent back is now.
SET_FINGERPRINT = "UPDATE task SET fingerprint = ? WHERE id = ?"

# An attempt has a row when its beginning was written, at the latest when its end is. Most leave no more than times.
BEGIN_ATTEMPT = _insert("attempt", "id, worker, pid, wait_us")
INSERT_ATTEMPT = _insert("attempt", "id, ended, worker, pid, wait_us, took_us")
INSERT_FULL_ATTEMPT = _insert(
    "attempt", "id, ended, worker, pid, wait_us, took_us, exit_code, signal, output, ret, shared, error, reboots, mark"
)
END_BEGUN_ATTEMPT = (
    "UPDATE attempt SET ended = ?, worker = coalesce(?, worker), pid = coalesce(?, pid),"
    " wait_us = coalesce(?, wait_us), took_us = ?, exit_code = ?, signal = ?, output = ?, ret = ?, shared = ?,"
    " error = ?, reboots = ?, mark = ? WHERE id = ?"
)

# Tasks that had ended, and kept locks, when a lock was unlocked.
KEPT_LOCKS = "SELECT id, key, spec, ended FROM task WHERE id BETWEEN ? AND ? AND locks > 0 AND ended < ?"
FREE_LOCKS = "UPDATE task SET locks = 0 WHERE id = ?"

# A new boot makes dirty locks clean: free if their task has ended, else held.
CLEAR_LOCKS = "UPDATE task SET locks = CASE WHEN state >= 6 THEN 0 WHEN locks = 2 THEN 1 ELSE locks END WHERE id = ?"

STANDING = "SELECT key, state, attempt FROM task WHERE id = ?"

# Never used twice, even if the newest runs were deleted: backups and consumers of events know them, too.
LAST_SEQ = (
    "SELECT max(coalesce((SELECT max(seq) FROM transition), 0), coalesce((SELECT max(seq) FROM run_event), 0),"
    " coalesce((SELECT max(last_seq) FROM pruned), 0))"
)
LAST_RUN = "SELECT max(coalesce((SELECT max(id) FROM run), 0), coalesce((SELECT max(last_run) FROM pruned), 0))"
LAST_SESSION = (
    "SELECT max(coalesce((SELECT max(id) FROM session), 0), coalesce((SELECT max(last_session) FROM pruned), 0))"
)

SUPERSEDE_RUNS = "UPDATE run SET state = 3, ended_us = ? WHERE name = ? AND state = 0"
INSERT_RUN = (
    "INSERT INTO run(id, uuid, name, target, params, recorded, shared, parent, began_us)"
    f" VALUES (({LAST_RUN}) + 1,?,?,?,?,?,?,?,?) RETURNING id"
)
END_RUN = "UPDATE run SET state = ?, verdict = ?, ended_us = ? WHERE id = ?"
REOPEN_RUN = "UPDATE run SET state = 0, verdict = 0, ended_us = NULL WHERE id = ?"

# Whoever did not say how it ended is dead: only one runner at a time holds the journal. It lived at least until its
# last decision.
OPEN_SESSIONS = (
    "SELECT id, pid, start, boot_id, began_us,"
    f" (SELECT at_us FROM transition WHERE seq >= first_seq ORDER BY seq DESC LIMIT 1), {REBOOTS}"
    " FROM session s WHERE how_ended IS NULL"
)
OPEN_PROCESSES = "SELECT pid, start, boot_id FROM session WHERE how_ended IS NULL"
END_SESSION = "UPDATE session SET how_ended = ?, last_seq = ?, ended_us = ?, set_by_us = set_by_us + ? WHERE id = ?"
CLOCK_WAS_SET = "UPDATE session SET set_by_us = set_by_us + ? WHERE id = ?"
INSERT_SESSION = (
    "INSERT INTO session(id, run, pid, start, boot_id, host, kernel, pexen_version, python_version, first_seq,"
    f" began_us, panics) VALUES (({LAST_SESSION}) + 1,?,?,?,?,?,?,?,?,?,?,?) RETURNING id"
)
INSERT_FACT = "INSERT INTO fact(session, name, value) VALUES (?,?,?)"

FIRST_FACTS = (
    "SELECT name, value FROM fact WHERE session ="
    " (SELECT min(f.session) FROM fact f JOIN session s ON s.id = f.session WHERE s.run = ?)"
)

LAST_UUID = "SELECT uuid, id FROM run WHERE id = (SELECT run FROM session ORDER BY id DESC LIMIT 1)"

# What the writer has to remember of a run that goes on.
LAST_TASK = "SELECT max(id) FROM task WHERE id BETWEEN ? AND ?"
COUNTED = (
    f"SELECT k.id, k.withdrawn, k.reboots, CASE WHEN k.reboots > 0 THEN {MARK} END FROM task k"
    " WHERE k.id BETWEEN ? AND ? AND (k.withdrawn > 0 OR k.reboots > 0)"
)
IN_FLIGHT = (
    "SELECT k.id, k.attempt, t.seq, t.at_us, a.id FROM task k JOIN transition t ON t.seq = k.submitted"
    " LEFT JOIN attempt a ON a.id = t.seq"
    " WHERE k.id BETWEEN ? AND ? AND k.state IN (2, 3)"
)

INSERT_RESULT = "INSERT INTO result(attempt, name, verdict, note, metrics, files, at_us) VALUES (?,?,?,?,?,?,?)"
INSERT_CHECKPOINT = "INSERT INTO checkpoint(task, attempt, key, value, at_us) VALUES (?,?,?,?,?)"
CHECKPOINT = "SELECT value FROM checkpoint WHERE task = ? AND key = ? ORDER BY id DESC LIMIT 1"
