/*
description: The city in one row. What arrived, how warm it is, how much power it draws.
cache: 1s
max_stale: 1s
columns:
  homes: homes whose newest reading is at most 5 minutes old
  rows_1m: rows that arrived in the last six whole ten seconds
  rows_per_s: rows that arrived in the last whole ten seconds, a second
  kw_now: mean power of all regions in the last whole minute, kW; null where nothing was sent
  kw_15m: mean power of the last fifteen whole minutes, of those with readings, kW; null where nothing was sent
  kw_15m_yesterday: the same a day before, kW; single minutes would compare noise with noise
  temperature_now: mean inside temperature of the last whole minute, °C; null where nothing was sent
  late_1m: rows of rows_1m that were over 60 s and at most an hour old; older ones are history
  last_ts_ms: time of the newest reading, epoch ms
  last_ingested_ms: when the last reading arrived, epoch ms
  rows_total: readings of all time
*/
WITH
    now('UTC') AS at,
    toStartOfInterval(at, INTERVAL 10 SECOND) AS whole_until,
    toStartOfMinute(at) - INTERVAL 1 MINUTE AS last_minute,
    last_minute - INTERVAL 1 DAY AS day_before
SELECT
    homes,
    rows_1m,
    rows_10s / 10 AS rows_per_s,
    kw_now,
    kw_15m,
    kw_15m_yesterday,
    temperature_now,
    late_1m,
    last_ts_ms,
    last_ingested_ms,
    rows_total
FROM
(
    SELECT
        uniqExactIf(home_id, last_ts > at - INTERVAL 5 MINUTE) AS homes,
        sum(readings) AS rows_total,
        toUnixTimestamp64Milli(max(last_ts)) AS last_ts_ms,
        toUnixTimestamp64Milli(max(last_ingested)) AS last_ingested_ms
    FROM home_latest
) AS of_homes
CROSS JOIN
(
    SELECT
        sum(rows) AS rows_1m,
        sumIf(rows, arrived >= whole_until - INTERVAL 10 SECOND) AS rows_10s,
        sumIf(late_rows, minute >= at - INTERVAL 1 HOUR) AS late_1m
    FROM city_minute
    WHERE arrived >= whole_until - INTERVAL 60 SECOND AND arrived < whole_until
) AS of_arrivals
CROSS JOIN
(
    -- Wh in a minute, times 60, is W.
    SELECT
        round(toFloat64(sumOrNullIf(energy_sum, minute = last_minute)) * 60 / 1000, 5) AS kw_now,
        round(toFloat64(sumOrNullIf(energy_sum, minute > day_before)) * 60 / 1000 / uniqExactIf(minute, minute > day_before), 5) AS kw_15m,
        round(toFloat64(sumOrNullIf(energy_sum, minute <= day_before)) * 60 / 1000 / uniqExactIf(minute, minute <= day_before), 5) AS kw_15m_yesterday,
        avgMergeIf(temperature_avg, minute = last_minute) AS temperature_now
    FROM city_minute
    WHERE (minute > last_minute - INTERVAL 15 MINUTE AND minute <= last_minute)
        OR (minute > day_before - INTERVAL 15 MINUTE AND minute <= day_before)
) AS of_minutes
