-- What took longest in a run, and its share of the time that all tasks took
-- :last = 20
SELECT task, seconds, round(100 * seconds / sum(seconds) OVER (), 1) AS percent, verdict
FROM tasks
WHERE run = :run AND seconds IS NOT NULL
ORDER BY seconds DESC, number
LIMIT :last
