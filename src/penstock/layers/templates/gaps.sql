/*
description: Between the first hour{of} and the last no hour of {relation} is without rows.
severity: warning
*/
-- Each row is a failure: the hours that are missing lie between `after` and `before`.
SELECT
    --each keys
    {quoted},
    --end
    hour AS after,
    next_hour AS before,
    dateDiff('hour', hour, next_hour) - 1 AS missing_hours
FROM
(
    SELECT
        *,
        leadInFrame(hour, 1, hour) OVER ({partition}ORDER BY hour ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS next_hour
    FROM (SELECT DISTINCT {list}toStartOfHour({time}) AS hour FROM {relation})
)
WHERE missing_hours > 0
ORDER BY {list}hour
LIMIT 100
