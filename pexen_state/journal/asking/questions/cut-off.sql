-- What was in flight whenever a runner, a worker or the box went away
SELECT s.run, s.id AS session, s.how_ended, a.task, a.attempt, a.cause, a.started_at
FROM sessions AS s JOIN attempts AS a ON a.run = s.run AND a.session = s.id
WHERE a.cause IN ('worker_died', 'runner_died') OR (a.ended_at IS NULL AND s.how_ended IN ('killed', 'crashed'))
ORDER BY s.id, a.started_at
