-- The reasons for which tasks of a run failed or did not run, the most frequent first
SELECT count(*) AS tasks, verdict, reason, min(task) AS 'for example'
FROM tasks
WHERE run = :run AND verdict NOT IN ('pass', 'info')
GROUP BY verdict, reason
ORDER BY tasks DESC, verdict, reason
