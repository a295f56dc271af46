-- What passed in a run, but not in its first attempt
SELECT task, attempts, verdict, seconds
FROM tasks
WHERE run = :run AND flaky
ORDER BY attempts DESC, number
