-- What did not run in a run, and why
SELECT task, verdict, reason
FROM tasks
WHERE run = :run AND verdict IN ('not_run', 'skip')
ORDER BY verdict, number
