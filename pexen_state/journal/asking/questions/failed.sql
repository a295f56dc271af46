-- What failed in a run, and why
SELECT task, verdict, attempts, seconds, reason
FROM tasks
WHERE run = :run AND verdict IN ('fail', 'error', 'timeout', 'crash')
ORDER BY number
