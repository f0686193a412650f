/*
description: One home's power, of its energy and the time between readings.
reason: The detail view shows single readings, which no gold keeps.
columns: {power: W}
*/
-- A reading's Wh are those since the reading before it: per time they compare, whatever the pace.
SELECT
    time,
    round(wh * 3600 * 1000 / (newest_ms - lagInFrame(toNullable(newest_ms)) OVER (ORDER BY time)), 1) AS power
FROM
(
    SELECT
        $__timeInterval(ts) AS time,
        toFloat64(sum(energy)) AS wh,
        toUnixTimestamp64Milli(max(ts)) AS newest_ms
    FROM readings
    WHERE home_id = {home:UInt32} AND $__timeFilter_ms(ts)
    GROUP BY time
)
ORDER BY time
