/*
description: One home's hours beside what that home does in those hours otherwise, and which of them are odd, by what.
defaults: {home_id: 7, hours: 168, sigmas: 3, fences: 3}
params:
  home_id: number of the home
  hours: how many hours back, whole ones and the one that runs
  sigmas: how many bands from the norm an hour is odd
  fences: how many interquartile ranges beyond the quartiles of the last seven days an hour is odd
cache: 60s
columns:
  hour_ms: start of the hour, epoch ms
  channel: temperature (°C), energy (Wh in the hour), voltage (V) or vibration (mm/s RMS)
  value: mean of the hour; energy is its sum, and null in the hour that runs
  expected: the same of that hour in the home's other weeks; null where there is none
  low: where the band around what is expected begins; energy has none
  high: where it ends
  sigma: distance from what is expected in bands of one standard deviation; negative is below
  beyond: how far outside the fences of the home's quartiles, in interquartile ranges; null within
  odd: by what it is odd, norm (beyond low or high) or quartiles or both, as anomalies and anomalies_by_quantile tell it; else empty
  weeks: other weeks that make what is expected
*/
-- One home in one answer: its page draws it as it is. Peers are another endpoint's, because they would
-- make this one read every home of the region.
WITH toStartOfHour(now('UTC')) AS this_hour
SELECT
    toUnixTimestamp(hour) * 1000 AS hour_ms,
    channel,
    round(mean, 3) AS value,
    round(norm, 3) AS expected,
    round(norm - {sigmas:Float64} * band, 3) AS low,
    round(norm + {sigmas:Float64} * band, 3) AS high,
    round((mean - norm) / band, 2) AS sigma,
    if(outside > 0, round(outside, 2), NULL) AS beyond,
    multiIf(
        off_norm AND outside > 0, 'norm and quartiles',
        off_norm, 'norm',
        outside > 0, 'quartiles',
        '') AS odd,
    weeks
FROM
(
    SELECT
        hour, channel, mean, norm, band, weeks,
        ifNull(abs(mean - norm) > {sigmas:Float64} * band, false) AS off_norm,
        quantilesExactIf(0.25, 0.75)(mean, hour > now('UTC') - INTERVAL 7 DAY) OVER (PARTITION BY channel) AS quartiles,
        greatest(quartiles[2] - quartiles[1], grain) AS range,
        ifNull(greatest(mean - quartiles[2], quartiles[1] - mean) / range - {fences:Float64}, 0) AS outside
    FROM
    (
        SELECT *
        FROM judged_hours
        WHERE home_id = {home_id:UInt32} AND hour > now('UTC') - toIntervalHour(greatest({hours:UInt32}, 168))
    )
    ARRAY JOIN
        ['temperature', 'energy', 'voltage', 'vibration'] AS channel,
        -- The hour that runs is not whole.
        [temperature, if(hour < this_hour, energy, NULL), voltage, vibration] AS mean,
        [temperature_norm, energy_norm, voltage_norm, vibration_norm] AS norm,
        [temperature_band, NULL, voltage_band, vibration_band] AS band,
        [0.1, 20, 0.2, 0.01] AS grain -- a home that never changes has a range all the same
)
WHERE hour > now('UTC') - toIntervalHour({hours:UInt32})
ORDER BY hour, channel
