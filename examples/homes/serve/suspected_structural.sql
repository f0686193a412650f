/*
description: Homes that vibrate above their own band, at once (a part came loose) or by and by (something settles).
defaults: {hours: 24, home_id: 0}
params:
  hours: how many hours back
  home_id: one home; 0 is all
cache: 60s
max_stale: 1s
columns:
  hour_ms: start of the hour, epoch ms
  suspect: loosened (it rose within twelve hours) or settling (it crept)
  value: mean vibration of the last six hours, mm/s RMS
  expected: the home's norm of the same hours of the week
  band: how far single readings of the home lie from their norm, one standard deviation
  sigma: distance from the norm in bands
  rise: most that the distance rose within twelve hours of the last 72, as a share of the norm
  samples: readings in the six hours
  weeks: other weeks that make the norm
  since_ms: first such hour of that home among those asked for, epoch ms
*/
WITH
    now('UTC') AS at,
    (toDayOfWeek(at) - 1) * 24 + toHour(at) AS last_of_week,
    last_of_week - {hours:UInt32} AS first_of_week
SELECT
    home_id,
    toUnixTimestamp(hour) * 1000 AS hour_ms,
    if(rose > 0.45, 'loosened', 'settling') AS suspect,
    round(level, 3) AS value,
    round(norm, 3) AS expected,
    round(vibration_band, 3) AS band,
    round((level - norm) / vibration_band, 1) AS sigma,
    round(rose, 2) AS rise,
    readings_6h AS samples,
    weeks,
    min(hour_ms) OVER (PARTITION BY home_id) AS since_ms
FROM
(
    SELECT *, max(gained) OVER (PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 259200 PRECEDING AND CURRENT ROW) AS rose
    FROM
    (
        SELECT
            *,
            excess - first_value(excess) OVER (
                PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 43200 PRECEDING AND CURRENT ROW) AS gained
        FROM
        (
            SELECT
                home_id,
                hour,
                weeks,
                vibration,
                vibration_norm,
                vibration_band,
                toUnixTimestamp(hour) AS at_s,
                avg(vibration) OVER six_hours AS level,
                avg(vibration_norm) OVER six_hours AS norm,
                sum(vibration_readings) OVER six_hours AS readings_6h,
                level / norm - 1 AS excess
            FROM judged_hours
            WHERE hour > at - toIntervalHour({hours:UInt32} + 89)
                AND (hour_of_week BETWEEN first_of_week - 89 AND last_of_week OR hour_of_week >= first_of_week - 89 + 168)
                AND vibration IS NOT NULL AND vibration_norm IS NOT NULL
                AND home_id IN
                (
                    -- Only homes with an hour above their band are looked back at.
                    SELECT home_id
                    FROM judged_hours
                    WHERE hour > at - toIntervalHour({hours:UInt32} + 6)
                        AND (hour_of_week BETWEEN first_of_week - 6 AND last_of_week OR hour_of_week >= first_of_week - 6 + 168)
                        AND ({home_id:UInt32} = 0 OR home_id = {home_id:UInt32})
                        AND vibration - vibration_norm > 1.6 * vibration_band
                )
            WINDOW six_hours AS (PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 18000 PRECEDING AND CURRENT ROW)
        )
    )
)
WHERE hour > at - toIntervalHour({hours:UInt32})
    AND level - norm > 1.6 * vibration_band
    AND vibration - vibration_norm > vibration_band -- it still does
    AND (rose > 0.45 OR gained < 0.5 * excess)
ORDER BY hour_ms DESC, sigma DESC, home_id
LIMIT 10000
