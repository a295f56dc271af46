-- Attempts of a run after which the task was tried again
SELECT a.task, a.attempt, a.state, a.cause, a.exit_code, a.signal, a.seconds, t.verdict AS 'in the end'
FROM attempts AS a JOIN tasks AS t ON t.run = a.run AND t.task = a.task
WHERE a.run = :run AND a.attempt < t.attempts
ORDER BY t.number, a.attempt
