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
  step: the steepest change of the home's distance from its own norm within three hours of the last 48, °C
  peers: homes of the region in that hour
  samples: readings in the hour; of a sensor that is stuck, of three hours
  weeks: other weeks that make the norm
  since_ms: first such hour of that home and suspect among those asked for, epoch ms
*/
WITH
    now('UTC') AS at,
    (toDayOfWeek(at) - 1) * 24 + toHour(at) AS last_of_week,
    last_of_week - {hours:UInt32} AS first_of_week,
    -- A room that warms within the hour spreads its readings, a few wild ones do not.
    -- Read twice: kept, it is planned once.
    odd AS MATERIALIZED
    (
        SELECT
            home_id, region, hour, room, expected, departure, temperature_band, temperature_min,
            temperature_max, temperature_spread, temperature_readings, peers, weeks,
            greatest(temperature_max - room, room - temperature_min) AS furthest,
            furthest > greatest(5 * temperature_band, 2.5) AND furthest > 2.6 * temperature_spread AS wild,
            abs(departure) > greatest(3 * temperature_band, 1) AS far
        FROM home_departures
        WHERE hour > at - toIntervalHour({hours:UInt32})
            AND (hour_of_week BETWEEN first_of_week AND last_of_week OR hour_of_week >= first_of_week + 168)
            AND (wild OR far OR temperature_max = temperature_min)
    ),
    -- The rest of the hour is as warm as it should be, and as it was.
    wild AND abs(departure) < 1.5 AND abs(change) < 0.15 * furthest AS spiky
SELECT
    home_id,
    region,
    toUnixTimestamp(hour) * 1000 AS hour_ms,
    multiIf(still, 'stuck', spiky, 'spikes', 'drift') AS suspect,
    round(multiIf(
        suspect != 'spikes', room,
        temperature_max - room > room - temperature_min, temperature_max,
        temperature_min), 2) AS value,
    round(odd.expected, 2) AS expected,
    round(temperature_band, 2) AS band,
    round((value - odd.expected) / temperature_band, 1) AS sigma,
    round(steepest, 2) AS step,
    peers,
    if(suspect = 'stuck', readings_3h, temperature_readings) AS samples,
    weeks,
    min(hour_ms) OVER (PARTITION BY home_id, suspect) AS since_ms
FROM odd
INNER JOIN
(
    -- Two days of these homes only; most homes have no odd hour.
    SELECT
        *,
        max(abs(change)) OVER two_days AS steepest,
        max(still) OVER two_days AS was_still
    FROM
    (
        SELECT
            home_id,
            hour,
            toUnixTimestamp(hour) AS at_s,
            room - temperature_norm AS own,
            own - first_value(own) OVER three_hours AS change,
            sum(temperature_readings) OVER three_hours AS readings_3h,
            max(temperature_max) OVER three_hours = min(temperature_min) OVER three_hours
                AND readings_3h >= 12 AND count() OVER three_hours = 3 AS still
        FROM judged_hours
        WHERE hour > at - toIntervalHour({hours:UInt32} + 51)
            AND (hour_of_week BETWEEN first_of_week - 51 AND last_of_week OR hour_of_week >= first_of_week - 51 + 168)
            AND home_id IN (SELECT home_id FROM odd)
        WINDOW three_hours AS (PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 7200 PRECEDING AND CURRENT ROW)
    )
    WINDOW two_days AS (PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 172800 PRECEDING AND CURRENT ROW)
) AS past ON past.home_id = odd.home_id AND past.hour = odd.hour
WHERE ({home_id:UInt32} = 0 OR home_id = {home_id:UInt32})
    AND (still OR spiky OR far AND steepest < 0.35 * abs(departure) AND NOT was_still)
ORDER BY hour_ms DESC, abs(sigma) DESC, home_id
LIMIT 10000
SETTINGS enable_materialized_cte = 1
