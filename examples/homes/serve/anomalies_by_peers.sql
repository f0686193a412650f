/*
description: Hours in which a home departs from its norm otherwise than the homes of its region do.
defaults: {hours: 24, sigmas: 6, home_id: 0}
params:
  hours: how many hours back
  sigmas: how many of the peers' own spreads
  home_id: one home; 0 is all
cache: 60s
max_stale: 1s
columns:
  hour_ms: start of the hour, epoch ms
  channel: temperature (°C), voltage (V) or vibration (mm/s RMS)
  value: mean of the hour
  expected: the home's norm for that hour of the week, moved as its peers moved
  band: spread of the peers' departures, 1.4826 times their median distance from their median; at least 0.25 °C, 0.5 V, 0.05 mm/s
  sigma: distance from what is expected in bands; negative is below
  peers: homes of the region in that hour, itself among them
  samples: readings in the hour
  since_ms: first such hour of that home and channel among those asked for, epoch ms
*/
-- Weather and the grid move all homes of a region alike; what only one home does is its own.
-- Fewer than five homes are no peers.
WITH
    (toDayOfWeek(now('UTC')) - 1) * 24 + toHour(now('UTC')) AS last_of_week,
    last_of_week - {hours:UInt32} AS first_of_week
SELECT
    home_id,
    region,
    toUnixTimestamp(hour) * 1000 AS hour_ms,
    channel,
    round(mean, 3) AS value,
    round(norm + shared, 3) AS expected,
    round(spread, 3) AS band,
    round((mean - norm - shared) / spread, 2) AS sigma,
    peers,
    samples,
    min(hour_ms) OVER (PARTITION BY home_id, channel) AS since_ms
FROM
(
    SELECT
        *,
        count() OVER region_hour AS peers,
        greatest(1.4826 * quantileExact(0.5)(abs(mean - norm - shared)) OVER region_hour, grain) AS spread
    FROM
    (
        SELECT
            home_id,
            region,
            hour,
            judged.1 AS channel,
            judged.2 AS mean,
            judged.3 AS norm,
            judged.4 AS grain,
            judged.5 AS samples,
            quantileExact(0.5)(mean - norm) OVER (PARTITION BY region, hour, channel) AS shared
        FROM
        (
            SELECT *
            FROM judged_hours
            WHERE hour > now('UTC') - toIntervalHour({hours:UInt32})
                AND (hour_of_week BETWEEN first_of_week AND last_of_week OR hour_of_week >= first_of_week + 168)
        )
        ARRAY JOIN [
            ('temperature', temperature, temperature_norm, 0.25, temperature_readings),
            ('voltage', voltage, voltage_norm, 0.5, voltage_readings),
            ('vibration', vibration, vibration_norm, 0.05, vibration_readings)] AS judged
        WHERE judged.2 - judged.3 IS NOT NULL
    )
    WINDOW region_hour AS (PARTITION BY region, hour, channel)
)
WHERE peers >= 5
    AND ({home_id:UInt32} = 0 OR home_id = {home_id:UInt32})
    AND abs(mean - norm - shared) > {sigmas:Float64} * spread
ORDER BY hour_ms DESC, abs(sigma) DESC, home_id, channel
LIMIT 10000
