-- The results of all runs by host and kernel
SELECT host, kernel, count(*) AS runs, sum(passed) AS passed, sum(warned) AS warned, sum(failed) AS failed,
  sum(skipped) AS skipped, sum(not_run) AS not_run, max(started_at) AS 'newest run'
FROM runs
GROUP BY host, kernel
ORDER BY host, kernel
