"""The views: what SQL users may hold on to. Tables may change, views only gain columns.

They are no part of the schema's history: after an upgrade all of them are made anew, from here. Numbers become words
and times ISO 8601 in UTC. No import of SQLAlchemy: readers look here, too.
"""

from __future__ import annotations

from pexen_state.core.states import ATTEMPT_STATE, Cause, State, Verdict, Word
from pexen_state.journal.ids import TASK_BITS
from pexen_state.journal.records import HowEnded, RunState

_FOREVER = 9223372036854775807


def _word(column: str, words: type[Word]) -> str:
    cases = " ".join(f"WHEN {int(one)} THEN '{one.word}'" for one in words)
    return f"CASE {column} {cases} END"


def _verdict(column: str) -> str:
    cases = " ".join(f"WHEN {int(one)} THEN '{one.word}'" for one in Verdict if one)
    return f"CASE {column} {cases} END"  # none yet is NULL


def _attempt_state(cause: str) -> str:
    cases = " ".join(f"WHEN {int(one)} THEN '{state.word}'" for one, state in ATTEMPT_STATE.items())
    return f"CASE {cause} {cases} END"


def _iso(microseconds: str) -> str:
    return (
        f"strftime('%Y-%m-%dT%H:%M:%S', {microseconds} / 1000000, 'unixepoch')"
        f" || printf('.%06dZ', {microseconds} % 1000000)"
    )


def _count(*verdicts: Verdict) -> str:
    return f"count(CASE WHEN k.verdict IN ({', '.join(str(int(one)) for one in verdicts)}) THEN 1 END)"


_GOOD = f"({int(Verdict.INFO)}, {int(Verdict.PASS)}, {int(Verdict.WARN)})"

# The tasks of a run lie side by side.
_OF_RUN = f"BETWEEN r.id << {TASK_BITS} AND ((r.id + 1) << {TASK_BITS}) - 1"

# What was cut off ended with its session, and the next one has only told so: `ended_us` of a session is the last that
# is known of it. Nothing ends before it began.
_CUT_OFF_US = "max(s.ended_us, b.at_us + coalesce(a.wait_us, 0))"

# By how much the wall clock was set meanwhile does not count; a little is not noted.
_TOOK_US = "max(s.ended_us - s.began_us - s.set_by_us, 0)"

_RUNS = f"""
SELECT r.id AS id, r.uuid AS uuid, r.name AS name, r.target AS target, r.params AS params,
  (SELECT s.host FROM session s WHERE s.run = r.id ORDER BY s.id LIMIT 1) AS host,
  (SELECT s.kernel FROM session s WHERE s.run = r.id ORDER BY s.id LIMIT 1) AS kernel,
  {_word("r.state", RunState)} AS state, {_verdict("r.verdict")} AS verdict,
  {_iso("r.began_us")} AS started_at, {_iso("r.ended_us")} AS ended_at,
  (SELECT sum({_TOOK_US}) FROM session s WHERE s.run = r.id) / 1e6 AS seconds,
  count(k.id) AS tasks, {_count(Verdict.PASS, Verdict.INFO)} AS passed, {_count(Verdict.WARN)} AS warned,
  {_count(Verdict.FAIL, Verdict.ERROR, Verdict.TIMEOUT, Verdict.CRASH)} AS failed,
  {_count(Verdict.SKIP)} AS skipped, {_count(Verdict.NOT_RUN)} AS not_run,
  (SELECT count(*) FROM session s WHERE s.run = r.id) AS sessions,
  (SELECT max(count(DISTINCT s.boot_id) - 1, 0) FROM session s WHERE s.run = r.id) AS reboots,
  r.parent AS parent
FROM run r LEFT JOIN task k ON k.id {_OF_RUN}
GROUP BY r.id
"""

_SESSIONS = f"""
SELECT s.id AS id, s.run AS run, s.pid AS pid, s.boot_id AS boot_id, s.host AS host, s.kernel AS kernel,
  s.pexen_version AS pexen_version, {_iso("s.began_us")} AS started_at, {_iso("s.ended_us")} AS ended_at,
  {_word("s.how_ended", HowEnded)} AS how_ended, {_TOOK_US} / 1e6 AS seconds
FROM session s
"""

# The attempts that have told how long they took were not cut off, and are nearly all: for these nothing is looked up.
_TASK_ENDED_US = f"""CASE WHEN a.wait_us IS NULL OR a.took_us IS NOT NULL THEN e.at_us ELSE coalesce(
    (SELECT {_CUT_OFF_US} FROM session s
      WHERE s.run = r.id AND k.submitted BETWEEN s.first_seq AND s.last_seq AND k.ended > s.last_seq), e.at_us) END"""

_TASKS = f"""
SELECT r.id AS run, k.key AS task, {_word("k.state", State)} AS state, {_verdict("k.verdict")} AS verdict,
  CASE WHEN k.verdict IN {_GOOD} THEN k.failures + k.crashes > 0 ELSE 0 END AS flaky, k.reason AS reason,
  k.attempt - k.withdrawn AS attempts, a.took_us / 1e6 AS seconds,
  {_iso("(b.at_us + a.wait_us)")} AS started_at, {_iso(f"({_TASK_ENDED_US})")} AS ended_at,
  k.priority AS priority, k.tags AS tags,
  nullif(lower(hex(k.fingerprint)), '') AS fingerprint, k.group_name AS group_name,
  k.id - (r.id << {TASK_BITS}) AS number
FROM run r
JOIN task k ON k.id {_OF_RUN}
LEFT JOIN transition b ON b.seq = k.submitted
LEFT JOIN attempt a ON a.id = k.submitted
LEFT JOIN transition e ON e.seq = k.ended
"""

# A session's range of `seq` is walked: no index on the run or the task is needed in the largest table.
_IN_SESSION = f"BETWEEN s.first_seq AND coalesce(s.last_seq, {_FOREVER})"

_ATTEMPT_ENDED_US = f"CASE WHEN e.seq > s.last_seq THEN {_CUT_OFF_US} ELSE e.at_us END"

_ATTEMPTS = f"""
SELECT s.run AS run, k.key AS task, b.attempt - b.withdrawn AS attempt, s.id AS session, a.worker AS worker,
  a.pid AS pid, s.boot_id AS boot_id, {_iso("(b.at_us + a.wait_us)")} AS started_at,
  {_iso(f"({_ATTEMPT_ENDED_US})")} AS ended_at,
  a.took_us / 1e6 AS seconds,
  CASE WHEN e.seq IS NULL THEN {_word("k.state", State)} ELSE {_attempt_state("e.cause")} END AS state,
  a.exit_code AS exit_code, a.signal AS signal, {_word("e.cause", Cause)} AS cause,
  coalesce(a.reboots, 0) AS reboot_count, a.output AS output, nullif(a.mark, '') AS mark
FROM session s
JOIN transition b ON b.seq {_IN_SESSION} AND b.new = {int(State.SUBMITTED)}
JOIN task k ON k.id = b.task
LEFT JOIN attempt a ON a.id = b.seq
LEFT JOIN transition e ON e.seq = a.ended
WHERE e.cause IS NOT {int(Cause.WITHDRAWN)}
"""

_RESULTS = f"""
SELECT s.run AS run, k.key AS task, b.attempt - b.withdrawn AS attempt, o.name AS name,
  {_verdict("o.verdict")} AS verdict, o.note AS note, {_iso("o.at_us")} AS at, o.metrics AS metrics, o.files AS files
FROM session s
JOIN result o ON o.attempt {_IN_SESSION}
JOIN transition b ON b.seq = o.attempt
JOIN task k ON k.id = b.task
"""

_TRANSITIONS = f"""
SELECT t.seq AS seq, s.run AS run, k.key AS task, t.attempt - t.withdrawn AS attempt,
  {_word("t.old", State)} AS old, {_word("t.new", State)} AS new, {_word("t.cause", Cause)} AS cause,
  {_iso("t.at_us")} AS at, t.reason AS reason
FROM session s
JOIN transition t ON t.seq {_IN_SESSION}
JOIN task k ON k.id = t.task
"""

_FACTS = """
SELECT s.run AS run, f.session AS session, f.name AS name, f.value AS value
FROM fact f JOIN session s ON s.id = f.session
"""

#: name -> the statement that makes the view
VIEWS: dict[str, str] = {
    name: f"CREATE VIEW {name} AS{query}".rstrip()
    for name, query in {
        "runs": _RUNS,
        "sessions": _SESSIONS,
        "tasks": _TASKS,
        "attempts": _ATTEMPTS,
        "results": _RESULTS,
        "transitions": _TRANSITIONS,
        "facts": _FACTS,
    }.items()
}
