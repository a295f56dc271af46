-- How long tasks of a run waited until their first attempt began, counted from the begin of the run
-- :last = 20
SELECT a.task, round(max(julianday(a.started_at) - julianday(r.started_at), 0) * 86400, 3) AS waited_seconds, a.seconds
FROM attempts AS a JOIN runs AS r ON r.id = a.run
WHERE a.run = :run AND a.attempt = 1 AND a.started_at IS NOT NULL
ORDER BY waited_seconds DESC
LIMIT :last
