/*
description: Homes whose voltage dips far below their own norm.
defaults: {hours: 24, home_id: 0}
params:
  hours: how many hours back
  home_id: one home; 0 is all
cache: 60s
max_stale: 1s
columns:
  hour_ms: start of the hour, epoch ms
  suspect: power_dips
  value: lowest voltage of the hour, V
  expected: the home's norm for that hour of the week
  band: how far single readings of the home lie from their norm, one standard deviation
  sigma: distance from the norm in bands
  mean: mean voltage of the hour, V; near the norm where the dips are short
  samples: readings in the hour
  weeks: other weeks that make the norm
  since_ms: first such hour of that home among those asked for, epoch ms
*/
WITH
    (toDayOfWeek(now('UTC')) - 1) * 24 + toHour(now('UTC')) AS last_of_week,
    last_of_week - {hours:UInt32} AS first_of_week
SELECT
    home_id,
    toUnixTimestamp(hour) * 1000 AS hour_ms,
    'power_dips' AS suspect,
    voltage_min AS value,
    round(voltage_norm, 1) AS expected,
    round(voltage_band, 2) AS band,
    round((voltage_min - voltage_norm) / voltage_band, 1) AS sigma,
    round(voltage, 1) AS mean,
    voltage_readings AS samples,
    weeks,
    min(hour_ms) OVER (PARTITION BY home_id) AS since_ms
FROM judged_hours
WHERE hour > now('UTC') - toIntervalHour({hours:UInt32})
    AND (hour_of_week BETWEEN first_of_week AND last_of_week OR hour_of_week >= first_of_week + 168)
    AND ({home_id:UInt32} = 0 OR home_id = {home_id:UInt32})
    AND voltage_norm - voltage_min > greatest(5 * voltage_band, 8)
ORDER BY hour_ms DESC, sigma, home_id
LIMIT 10000
