/*
description: Temperature sensors that stand still, that throw single wild values, or that creep away.
defaults: {hours: 24, home_id: 0}
params:
  hours: how many hours back
  home_id: one home; 0 is all
cache: 60s
max_stale: 1s
columns:
  hour_ms: start of the hour, epoch ms
  suspect: stuck (one value for three hours), spikes (single readings far off) or drift (far off, by no step)
  value: stuck, its one value; spikes, the wildest reading; drift, the hour's without its highest and lowest; °C
  expected: the home's norm for that hour of the week, moved as the homes of its region moved
  band: how far single readings of the home lie from their norm, one standard deviation
  sigma: distance from what is expected in bands
  step: the steepest change of the hour's distance within three hours of the last 48, °C
  peers: homes of the region in that hour
  samples: readings in the hour; of a sensor that is stuck, of three hours
  weeks: other weeks that make the norm
  since_ms: first such hour of that home and suspect among those asked for, epoch ms
*/
WITH now('UTC') AS at
SELECT
    home_id,
    h.region AS region,
    toUnixTimestamp(h.hour) * 1000 AS hour_ms,
    multiIf(still, 'stuck', h.wild AND abs(h.departure) < 1.5, 'spikes', 'drift') AS suspect,
    round(multiIf(
        suspect != 'spikes', h.room,
        h.highest - h.room > h.room - h.lowest, h.highest,
        h.lowest), 2) AS value,
    round(h.expected, 2) AS expected,
    round(h.band, 2) AS band,
    round((value - h.expected) / h.band, 1) AS sigma,
    round(steepest, 2) AS step,
    h.peers AS peers,
    if(suspect = 'stuck', readings_3h, h.readings) AS samples,
    h.weeks AS weeks,
    min(hour_ms) OVER (PARTITION BY home_id, suspect) AS since_ms
FROM
(
    SELECT *, max(abs(change)) OVER two_days AS steepest, max(still) OVER two_days AS was_still
    FROM
    (
        SELECT
            home_id,
            h,
            toUnixTimestamp(h.hour) AS at_s,
            h.departure - first_value(h.departure) OVER three_hours AS change,
            sum(h.readings) OVER three_hours AS readings_3h,
            max(h.highest) OVER three_hours = min(h.lowest) OVER three_hours
                AND readings_3h >= 12 AND count() OVER three_hours = 3 AS still
        FROM
        (
            -- Only homes with an hour that is odd by itself are looked back at; most have none.
            -- A room that warms within the hour spreads its readings, a few wild ones do not.
            SELECT
                home_id,
                groupArray(CAST(
                    (hour, region, peers, weeks, temperature_readings, room, expected, departure, temperature_band, temperature_min, temperature_max, wild),
                    'Tuple(hour DateTime(\'UTC\'), region String, peers UInt64, weeks Int64, readings UInt64, room Nullable(Float64), expected Nullable(Float64), departure Nullable(Float64), band Nullable(Float64), lowest Nullable(Float64), highest Nullable(Float64), wild Nullable(UInt8))')) AS hours
            FROM
            (
                SELECT
                    *,
                    greatest(temperature_max - room, room - temperature_min) AS furthest,
                    furthest > greatest(5 * temperature_band, 2.5) AND furthest > 2.6 * temperature_spread AS wild
                FROM home_departures
                WHERE hour > at - toIntervalHour({hours:UInt32} + 51)
            )
            GROUP BY home_id
            HAVING countIf(hour > at - toIntervalHour({hours:UInt32})
                AND (wild OR temperature_max = temperature_min OR abs(departure) > greatest(3 * temperature_band, 1))) > 0
                AND ({home_id:UInt32} = 0 OR home_id = {home_id:UInt32})
        )
        ARRAY JOIN hours AS h
        WINDOW three_hours AS (PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 7200 PRECEDING AND CURRENT ROW)
    )
    WINDOW two_days AS (PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 172800 PRECEDING AND CURRENT ROW)
)
WHERE h.hour > at - toIntervalHour({hours:UInt32})
    AND (still
        OR h.wild AND abs(h.departure) < 1.5
        OR abs(h.departure) > greatest(3 * h.band, 1) AND steepest < 0.35 * abs(h.departure) AND NOT was_still)
ORDER BY hour_ms DESC, abs(sigma) DESC, home_id
LIMIT 10000
