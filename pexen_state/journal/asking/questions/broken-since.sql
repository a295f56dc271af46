-- What fails in the newest finished run of a suite, and the last run of it in which it passed
WITH newest AS (SELECT max(id) AS id FROM runs WHERE name = :suite AND state = 'finished'),
  passes AS (
    SELECT t.task, max(t.run) AS run
    FROM runs AS r JOIN tasks AS t ON t.run = r.id
    WHERE r.name = :suite AND t.verdict IN ('pass', 'info', 'warn')
    GROUP BY t.task
  )
SELECT t.task, t.verdict, t.reason, p.run AS 'last passed in run'
FROM newest AS n JOIN tasks AS t ON t.run = n.id LEFT JOIN passes AS p ON p.task = t.task
WHERE t.verdict IN ('fail', 'error', 'timeout', 'crash')
ORDER BY p.run, t.number
