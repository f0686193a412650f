/*
description: One home's temperature, a mean a step.
reason: The detail view shows single readings, which no gold keeps.
columns: {temperature: °C}
*/
SELECT $__timeInterval(ts) AS time, round(avg(readings.temperature), 2) AS temperature
FROM readings
WHERE home_id = {home:UInt32} AND $__timeFilter_ms(ts)
GROUP BY time
ORDER BY time
