-- The results of a run by the first part of the task's name
SELECT CASE WHEN instr(task, '/') THEN substr(task, 1, instr(task, '/')) ELSE task END AS part,
  count(*) AS tasks, count(CASE WHEN verdict IN ('pass', 'info', 'warn') THEN 1 END) AS passed,
  count(CASE WHEN verdict IN ('fail', 'error', 'timeout', 'crash') THEN 1 END) AS failed,
  count(CASE WHEN verdict = 'skip' THEN 1 END) AS skipped, count(CASE WHEN verdict = 'not_run' THEN 1 END) AS not_run,
  round(sum(seconds), 3) AS seconds
FROM tasks
WHERE run = :run
GROUP BY part
ORDER BY failed DESC, part
