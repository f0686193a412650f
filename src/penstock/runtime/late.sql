-- What came late of a home that sent nothing for a while, and what the gold of its hours holds since.
-- A reading's time lies up to 64 ms before the moment it fell due at.
WITH
    fromUnixTimestamp64Milli({start:Int64} - 100, 'UTC') AS began,
    fromUnixTimestamp64Milli({end:Int64} - 100, 'UTC') AS ended,
    toStartOfHour(began) AS first_hour,
    toStartOfHour(ended) AS last_hour,
    (
        SELECT (sum(readings), sum(energy_sum) / 1000)
        FROM home_hours
        WHERE home_id = {home:UInt32} AND hour BETWEEN first_hour AND last_hour
    ) AS gold
SELECT
    countIf(is_late) AS late,
    maxIf(age_s, is_late) AS late_s,
    count() AS stored,
    toFloat64(sumIf(energy, NOT is_late)) AS part,
    gold.1 AS counted,
    gold.2 AS whole
FROM
(
    SELECT energy, ts >= began AND ts < ended AS is_late, dateDiff('second', ts, _ingested_at) AS age_s
    FROM readings
    WHERE home_id = {home:UInt32} AND ts >= first_hour AND ts < last_hour + INTERVAL 1 HOUR
)
