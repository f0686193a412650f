/*
description: Homes that heat without end, or whose inside follows the outside too fast for the energy they use.
defaults: {hours: 24, home_id: 0}
params:
  hours: how many hours back
  home_id: one home; 0 is all
cache: 60s
max_stale: 1s
columns:
  hour_ms: start of the hour, epoch ms
  suspect: overheating (warm, and it draws more) or draught (cold within hours, and it draws no less)
  value: temperature of the hour, °C; its highest and its lowest reading are left out
  expected: the home's norm for that hour of the week, moved as the homes of its region moved
  band: how far single readings of the home lie from their norm, one standard deviation
  sigma: distance from what is expected in bands
  step: the steepest change of that distance within three hours of the last 48, °C
  energy: Wh in the hour
  energy_expected: the home's norm of it; of the hour that runs, the part that is over
  peers: homes of the region in that hour
  samples: readings in the hour
  weeks: other weeks that make the norm
  since_ms: first such hour of that home among those asked for, epoch ms
*/
WITH now('UTC') AS at
SELECT
    home_id,
    h.region AS region,
    toUnixTimestamp(h.hour) * 1000 AS hour_ms,
    if(h.departure > 0, 'overheating', 'draught') AS suspect,
    round(h.room, 2) AS value,
    round(h.expected, 2) AS expected,
    round(h.band, 2) AS band,
    round(h.departure / h.band, 1) AS sigma,
    round(if(h.departure > 0, rose, fell), 2) AS step,
    round(h.energy, 1) AS energy,
    round(usual, 1) AS energy_expected,
    h.peers AS peers,
    h.readings AS samples,
    h.weeks AS weeks,
    min(hour_ms) OVER (PARTITION BY home_id, suspect) AS since_ms
FROM
(
    SELECT *, max(step) OVER two_days AS rose, min(step) OVER two_days AS fell
    FROM
    (
        SELECT
            home_id,
            h,
            toUnixTimestamp(h.hour) AS at_s,
            h.energy_norm * least((at - h.hour) / 3600, 1) AS usual,
            h.departure - first_value(h.departure) OVER (
                PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 10800 PRECEDING AND CURRENT ROW) AS step
        FROM
        (
            -- Only homes with an hour far off are looked back at; most have none.
            SELECT
                home_id,
                groupArray(CAST(
                    (hour, region, peers, weeks, temperature_readings, room, expected, departure, temperature_band, energy, energy_norm, temperature_max > temperature_min),
                    'Tuple(hour DateTime(\'UTC\'), region String, peers UInt64, weeks Int64, readings UInt64, room Nullable(Float64), expected Nullable(Float64), departure Nullable(Float64), band Nullable(Float64), energy Float64, energy_norm Nullable(Float64), moves Nullable(UInt8))')) AS hours
            FROM home_departures
            WHERE hour > at - toIntervalHour({hours:UInt32} + 51)
            GROUP BY home_id
            HAVING countIf(hour > at - toIntervalHour({hours:UInt32}) AND abs(departure) > greatest(3 * temperature_band, 1)) > 0
                AND ({home_id:UInt32} = 0 OR home_id = {home_id:UInt32})
        )
        ARRAY JOIN hours AS h
    )
    WINDOW two_days AS (PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 172800 PRECEDING AND CURRENT ROW)
)
WHERE h.hour > at - toIntervalHour({hours:UInt32})
    AND abs(h.departure) > greatest(3 * h.band, 1)
    AND (h.departure > 0 AND h.energy > usual + greatest(400, 0.3 * usual)
        -- A sensor that stands still tells nothing of the room.
        OR h.departure < 0 AND fell < 0.6 * h.departure AND h.energy > 0.75 * usual AND h.moves)
ORDER BY hour_ms DESC, abs(sigma) DESC, home_id
LIMIT 10000
