/*
description: A device's last minutes, one by one.
defaults: {minutes: 15}
params: {device_id: which, minutes: how many minutes back}
cache: 5s
max_stale: 1s
columns:
  minute_ms: start of the minute, epoch ms
  average: mean of its measurements, W
  maximum: highest of them, W
  count: measurements
*/
SELECT
    toUnixTimestamp(minute) * 1000 AS minute_ms,
    round(toFloat64(sum(watts_sum)) / sum(of_minute.readings), 3) AS average,
    max(watts_max) AS maximum,
    sum(of_minute.readings) AS count
FROM device_minute AS of_minute
WHERE device_id = {device_id:String} AND minute > now('UTC') - toIntervalMinute({minutes:UInt16}) AND minute <= now('UTC')
GROUP BY minute
ORDER BY minute
