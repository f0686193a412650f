/*
description: The devices that draw most, by the mean of the last minutes.
defaults: {minutes: 15, most: 10}
params: {minutes: how many minutes back, most: how many devices}
cache: 5s
max_stale: 1s
columns:
  average: mean of the device's measurements, W
  maximum: highest of them, W
  count: measurements
*/
SELECT
    device_id,
    round(toFloat64(sum(watts_sum)) / sum(of_minute.readings), 3) AS average,
    max(watts_max) AS maximum,
    sum(of_minute.readings) AS count
FROM device_minute AS of_minute
WHERE minute > now('UTC') - toIntervalMinute({minutes:UInt16}) AND minute <= now('UTC')
GROUP BY device_id
ORDER BY average DESC, device_id
LIMIT {most:UInt16}
