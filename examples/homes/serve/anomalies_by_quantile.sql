/*
description: Hours in which a home lies outside the fences of its own quartiles, whatever the shape of its values.
defaults: {hours: 24, days: 7, fences: 3, home_id: 0}
params:
  hours: how many hours back are judged
  days: over how many days the quartiles are taken
  fences: how many interquartile ranges beyond the quartiles a fence stands (Tukey; 3 is far out)
  home_id: one home; 0 is all
cache: 60s
max_stale: 1s
columns:
  hour_ms: start of the hour, epoch ms
  channel: temperature (°C), energy (Wh an hour), voltage (V) or vibration (mm/s RMS)
  value: mean of the hour; energy is its sum
  expected: median of the home's hours
  low: lower fence
  high: upper fence
  beyond: how far outside the fence, in interquartile ranges
  samples: hours that make the quartiles
  since_ms: first such hour of that home and channel among those asked for, epoch ms
*/
WITH
    toStartOfHour(now('UTC')) AS this_hour,
    greatest(quartiles[3] - quartiles[1], grain) AS range,
    quartiles[1] - {fences:Float64} * range AS low_fence,
    quartiles[3] + {fences:Float64} * range AS high_fence
SELECT
    home_id,
    toUnixTimestamp(judged.1) * 1000 AS hour_ms,
    channel,
    round(judged.2, 3) AS value,
    round(quartiles[2], 3) AS expected,
    round(low_fence, 3) AS low,
    round(high_fence, 3) AS high,
    round(greatest(value - high_fence, low_fence - value) / range, 2) AS beyond,
    samples,
    min(hour_ms) OVER (PARTITION BY home_id, channel) AS since_ms
FROM
(
    SELECT
        home_id,
        quantilesExact(0.25, 0.5, 0.75)(temperature) AS temperatures,
        quantilesExact(0.25, 0.5, 0.75)(energy) AS energies,
        quantilesExact(0.25, 0.5, 0.75)(voltage) AS voltages,
        quantilesExact(0.25, 0.5, 0.75)(vibration) AS vibrations,
        [count(temperature), count(energy), count(voltage), count(vibration)] AS counts,
        groupArrayIf((hour, temperature, energy, voltage, vibration), hour > now('UTC') - toIntervalHour({hours:UInt32})) AS asked
    FROM
    (
        SELECT
            home_id,
            hour,
            temperature_sum / 100 / nullIf(temperature_count, 0) AS temperature,
            -- The hour that runs is not whole.
            if(hour < this_hour, energy_sum / 1000, NULL) AS energy,
            voltage_sum / 10 / nullIf(voltage_count, 0) AS voltage,
            vibration_sum / 1000 / nullIf(vibration_count, 0) AS vibration
        FROM home_hours FINAL
        WHERE hour > now('UTC') - toIntervalDay({days:UInt16})
            AND ({home_id:UInt32} = 0 OR home_id = {home_id:UInt32})
    )
    GROUP BY home_id
)
ARRAY JOIN
    ['temperature', 'energy', 'voltage', 'vibration'] AS channel,
    [temperatures, energies, voltages, vibrations] AS quartiles,
    [0.1, 20, 0.2, 0.01] AS grain, -- a home that never changes has a range all the same
    counts AS samples,
    [arrayMap(x -> (x.1, x.2), asked), arrayMap(x -> (x.1, x.3), asked),
     arrayMap(x -> (x.1, x.4), asked), arrayMap(x -> (x.1, x.5), asked)] AS hours
ARRAY JOIN arrayFilter(x -> ifNull(x.2 < low_fence OR x.2 > high_fence, false), hours) AS judged
ORDER BY hour_ms DESC, beyond DESC, home_id, channel
LIMIT 10000
