-- The lives of the runner in a run: when, how each ended, and how many attempts it began
SELECT s.id AS session, s.started_at, s.ended_at, s.how_ended, s.pid, s.boot_id, s.kernel,
  (SELECT count(*) FROM attempts AS a WHERE a.run = s.run AND a.session = s.id) AS attempts
FROM sessions AS s
WHERE s.run = :run
ORDER BY s.id
