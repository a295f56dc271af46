-- Every step of one task in a run: -p task=KEY
SELECT seq, at, attempt, old, new, cause, reason
FROM transitions
WHERE run = :run AND task = :task
ORDER BY seq
