/*
description: Mean power of each region, minute by minute, whole minutes only.
defaults: {minutes: 15}
params: {minutes: how many minutes back}
cache: 5s
max_stale: 1s
columns:
  minute_ms: start of the minute, epoch ms
  region: as the devices name it
  kw: mean power in that minute, kW
  rows: readings in that minute
*/
SELECT
    toUnixTimestamp(minute) * 1000 AS minute_ms,
    region,
    round(toFloat64(sum(energy_sum)) * 60 / 1000, 5) AS kw,
    sum(city_minute.rows) AS rows
FROM city_minute
WHERE minute >= toStartOfMinute(now('UTC')) - toIntervalMinute({minutes:UInt16})
    AND minute < toStartOfMinute(now('UTC'))
GROUP BY minute, region
ORDER BY minute, region
