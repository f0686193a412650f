/*
description: One home's readings over the last minutes, in at most 600 steps.
reason: The detail view shows single readings, which no gold keeps.
defaults: {home_id: 7, minutes: 60}
params:
  home_id: number of the home
  minutes: how many minutes back; a step is 1 s up to 10 minutes, 6 s for an hour
cache: 5s
columns:
  ts_ms: start of the step, epoch ms
  temperature: mean, °C
  energy: sum, Wh
  power: mean since the step before, W; null in the first
  voltage: mean, V
  vibration: mean, mm/s RMS
*/
WITH
    now64(3, 'UTC') AS at,
    greatest(1000, toInt64({minutes:UInt32}) * 100) AS step_ms -- minutes * 60,000 / 600
SELECT
    ts_ms,
    temperature,
    energy,
    -- A reading's Wh are those since the reading before it: a second's beside four minutes' would
    -- look as if the home had gone dark. Per time they compare.
    round(energy * 3600 * 1000 / (newest_ms - lagInFrame(toNullable(newest_ms)) OVER (ORDER BY ts_ms)), 1) AS power,
    voltage,
    vibration
FROM
(
    SELECT
        intDiv(toUnixTimestamp64Milli(ts), step_ms) * step_ms AS ts_ms,
        toUnixTimestamp64Milli(max(ts)) AS newest_ms,
        round(avg(readings.temperature), 3) AS temperature,
        toFloat64(sumOrNull(readings.energy)) AS energy,
        round(avg(readings.voltage), 2) AS voltage,
        round(avg(readings.vibration), 4) AS vibration
    FROM readings
    WHERE home_id = {home_id:UInt32} AND ts > at - toIntervalMinute({minutes:UInt32}) AND ts <= at
    GROUP BY ts_ms
)
ORDER BY ts_ms
