-- The runs of a suite, newest first: how many tasks passed, and how long they took
-- :last = 30
SELECT id AS run, started_at, state, verdict, tasks, passed, warned, failed, skipped, not_run,
  round(100.0 * (passed + warned) / nullif(passed + warned + failed + not_run, 0), 1) AS percent, seconds
FROM runs
WHERE name = :suite
ORDER BY id DESC
LIMIT :last
