/*
description: Hours in which a home's mean lies further from its own norm for that hour of the week than so many bands.
defaults: {hours: 24, sigmas: 3, home_id: 0}
params:
  hours: how many hours back, whole ones and the one that runs
  sigmas: how many bands from the norm
  home_id: one home; 0 is all
cache: 60s
max_stale: 1s
columns:
  hour_ms: start of the hour, epoch ms
  channel: temperature (°C), voltage (V) or vibration (mm/s RMS)
  value: mean of the hour
  expected: mean of that hour in the home's other weeks
  band: how far single readings of the home lie from their norm, one standard deviation
  sigma: distance from the norm in bands; negative is below
  samples: readings in the hour
  weeks: other weeks that make the norm
  since_ms: first such hour of that home and channel among those asked for, epoch ms
*/
WITH
    (toDayOfWeek(now('UTC')) - 1) * 24 + toHour(now('UTC')) AS last_of_week,
    last_of_week - {hours:UInt32} AS first_of_week
SELECT
    home_id,
    toUnixTimestamp(hour) * 1000 AS hour_ms,
    judged.1 AS channel,
    round(judged.2, 3) AS value,
    round(judged.3, 3) AS expected,
    round(judged.4, 3) AS band,
    round((judged.2 - judged.3) / judged.4, 2) AS sigma,
    judged.5 AS samples,
    weeks,
    min(hour_ms) OVER (PARTITION BY home_id, channel) AS since_ms
FROM
(
    SELECT *
    FROM judged_hours
    WHERE hour > now('UTC') - toIntervalHour({hours:UInt32})
        AND (hour_of_week BETWEEN first_of_week AND last_of_week OR hour_of_week >= first_of_week + 168)
        AND ({home_id:UInt32} = 0 OR home_id = {home_id:UInt32})
)
ARRAY JOIN [
    ('temperature', temperature, temperature_norm, temperature_band, temperature_readings),
    ('voltage', voltage, voltage_norm, voltage_band, voltage_readings),
    ('vibration', vibration, vibration_norm, vibration_band, vibration_readings)] AS judged
WHERE abs(judged.2 - judged.3) > {sigmas:Float64} * judged.4
ORDER BY hour_ms DESC, abs(sigma) DESC, home_id, channel
LIMIT 10000
