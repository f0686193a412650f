/*
description: The newest reading of every home heard of in the last day.
cache: 5s
max_stale: 1s
columns:
  ts_ms: time of that reading, epoch ms
  temperature: °C
  energy: Wh since the reading before it
  voltage: V
  vibration: mm/s RMS
  readings: how many the home ever sent
*/
SELECT
    home_id,
    newest.region AS region,
    toUnixTimestamp64Milli(newest_ts) AS ts_ms,
    newest.temperature AS temperature,
    newest.energy AS energy,
    newest.voltage AS voltage,
    newest.vibration AS vibration,
    sent AS readings
FROM
(
    SELECT
        home_id,
        max(last_ts) AS newest_ts,
        argMaxMerge(latest) AS newest,
        sum(readings) AS sent
    FROM home_latest
    GROUP BY home_id
)
WHERE newest_ts > now('UTC') - INTERVAL 1 DAY
ORDER BY home_id
