/*
description: Hours in which a raw value lies further than three standard deviations from its home's own mean over the whole time; of a region, its readings an hour.
reason: The threshold that detectors on gold are held against looks at raw values.
*/
WITH
    of_home AS
    (
        SELECT
            home_id,
            [avg(temperature), avg(voltage), avg(vibration)] AS means,
            [stddevPop(temperature), stddevPop(voltage), stddevPop(vibration)] AS spreads
        FROM readings
        GROUP BY home_id
    ),
    of_region AS
    (
        SELECT regions.region AS region, hours.hour AS hour, countIf(readings.region = regions.region) AS came
        FROM (SELECT DISTINCT toStartOfHour(ts) AS hour FROM readings) AS hours
        CROSS JOIN (SELECT DISTINCT region FROM readings) AS regions
        LEFT JOIN (SELECT toStartOfHour(ts) AS hour, region FROM readings) AS readings USING (hour)
        GROUP BY region, hour
    )
SELECT channel, toString(home_id) AS place, toUnixTimestamp(toStartOfHour(ts)) * 1000 AS hour_ms
FROM readings
INNER JOIN of_home USING (home_id)
ARRAY JOIN
    ['temperature', 'voltage', 'vibration'] AS channel,
    [toFloat64(temperature), toFloat64(voltage), toFloat64(vibration)] AS value,
    means AS mean,
    spreads AS spread
WHERE abs(value - mean) > 3 * spread
GROUP BY channel, place, hour_ms
UNION ALL
SELECT '' AS channel, region AS place, toUnixTimestamp(hour) * 1000 AS hour_ms
FROM (SELECT *, avg(came) OVER (PARTITION BY region) AS mean, stddevPop(came) OVER (PARTITION BY region) AS spread FROM of_region)
WHERE abs(came - mean) > 3 * spread
