-- How busy each worker of a run was
SELECT session, worker, count(*) AS attempts, round(sum(seconds), 3) AS busy_seconds, max(seconds) AS longest
FROM attempts
WHERE run = :run AND worker IS NOT NULL
GROUP BY session, worker
ORDER BY session, worker
