/*
description: One home's hours, energy and inside temperature.
defaults: {home_id: 7, hours: 168}
params:
  home_id: number of the home
  hours: how many hours back
cache: 60s
columns:
  hour_ms: start of the hour, epoch ms
  readings: how many the home sent
  energy_sum: Wh
  energy_avg: mean Wh a reading; null where no reading had one
  temperature_avg: °C
  temperature_max: °C
  temperature_p50: °C, at most 0.2 % off
  temperature_p95: °C, at most 0.2 % off
*/
SELECT
    toUnixTimestamp(hour) * 1000 AS hour_ms,
    sent AS readings,
    toFloat64(energy) AS energy_sum,
    if(energy_readings = 0, NULL, toFloat64(energy) / energy_readings) AS energy_avg,
    temperature AS temperature_avg,
    highest AS temperature_max,
    quantiles[1] AS temperature_p50,
    quantiles[2] AS temperature_p95
FROM
(
    SELECT
        hour,
        sum(readings) AS sent,
        sum(energy_sum) AS energy,
        sum(energy_count) AS energy_readings,
        avgMerge(temperature_avg) AS temperature,
        max(temperature_max) AS highest,
        quantilesDDMerge(0.002, 0.5, 0.95)(temperature_quantiles) AS quantiles
    FROM hourly_stats
    WHERE home_id = {home_id:UInt32}
        AND hour >= toStartOfHour(now('UTC')) - toIntervalHour({hours:UInt32})
    GROUP BY hour
)
ORDER BY hour
