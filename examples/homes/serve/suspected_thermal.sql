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
  step: the steepest change of the home's distance from its own norm within three hours of the last 48, °C
  energy: Wh in the hour
  energy_expected: the home's norm of it; of the hour that runs, the part that is over
  draw: energy of three hours as a share of what was expected of them
  peers: homes of the region in that hour
  samples: readings in the hour
  weeks: other weeks that make the norm
  since_ms: first such hour of that home among those asked for, epoch ms
*/
WITH
    now('UTC') AS at,
    (toDayOfWeek(at) - 1) * 24 + toHour(at) AS last_of_week,
    last_of_week - {hours:UInt32} AS first_of_week,
    -- Read twice: kept, it is planned once. Each named column of a view costs planning as well.
    far_off AS MATERIALIZED
    (
        SELECT
            home_id, region, hour, room, expected, departure, temperature_band,
            temperature_min, temperature_max, temperature_readings, energy, peers, weeks
        FROM home_departures
        WHERE hour > at - toIntervalHour({hours:UInt32})
            AND (hour_of_week BETWEEN first_of_week AND last_of_week OR hour_of_week >= first_of_week + 168)
            AND abs(departure) > greatest(3 * temperature_band, 1)
    )
SELECT
    home_id,
    region,
    toUnixTimestamp(hour) * 1000 AS hour_ms,
    if(departure > 0, 'overheating', 'draught') AS suspect,
    round(room, 2) AS value,
    round(far_off.expected, 2) AS expected,
    round(temperature_band, 2) AS band,
    round(departure / temperature_band, 1) AS sigma,
    round(if(departure > 0, rose, fell), 2) AS step,
    round(far_off.energy, 1) AS energy,
    round(usual, 1) AS energy_expected,
    round(past.draw, 2) AS draw,
    peers,
    temperature_readings AS samples,
    weeks,
    min(hour_ms) OVER (PARTITION BY home_id, suspect) AS since_ms
FROM far_off
INNER JOIN
(
    -- Two days of these homes only; most homes have no hour far off.
    SELECT
        home_id,
        hour,
        usual,
        draw,
        max(step) OVER two_days AS rose,
        min(step) OVER two_days AS fell
    FROM
    (
        SELECT
            home_id,
            hour,
            toUnixTimestamp(hour) AS at_s,
            energy_norm * least((at - hour) / 3600, 1) AS usual,
            sum(energy) OVER three_hours / sum(usual) OVER three_hours AS draw,
            room - temperature_norm AS own,
            own - first_value(own) OVER three_hours AS step
        FROM judged_hours
        WHERE hour > at - toIntervalHour({hours:UInt32} + 51)
            AND (hour_of_week BETWEEN first_of_week - 51 AND last_of_week OR hour_of_week >= first_of_week - 51 + 168)
            AND home_id IN (SELECT home_id FROM far_off)
        WINDOW three_hours AS (PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 10800 PRECEDING AND CURRENT ROW)
    )
    WINDOW two_days AS (PARTITION BY home_id ORDER BY at_s RANGE BETWEEN 172800 PRECEDING AND CURRENT ROW)
) AS past ON past.home_id = far_off.home_id AND past.hour = far_off.hour
WHERE ({home_id:UInt32} = 0 OR home_id = {home_id:UInt32})
    AND (departure > 0 AND rose > 0.6 * departure AND far_off.energy > usual + greatest(400, 0.3 * usual)
        -- A sensor that stands still tells nothing of the room.
        OR departure < 0 AND fell < 0.6 * departure AND past.draw > 0.85 AND temperature_max > temperature_min)
ORDER BY hour_ms DESC, abs(sigma) DESC, home_id
LIMIT 10000
SETTINGS enable_materialized_cte = 1
