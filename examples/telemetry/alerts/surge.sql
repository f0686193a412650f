/*
description: A device draws far more over five minutes than its own last seven days say.
every: 10s
keep: 1m
key: device_id
severity: warning
notify: [log]
message: Device {device_id} draws {watts} W; {usual} W is usual for it
defaults: {sigmas: 4, least: 0.5, hours: 3}
params:
  sigmas: how many spreads of its hours above their mean
  least: and by which share of the mean at least
  hours: of history that a device must have
*/

-- Five whole minutes that ended 90 s ago: what came over a minute late is in neither gold, so they
-- change no more, and late rows neither fire nor hide anything.
WITH
    toStartOfMinute(now('UTC') - INTERVAL 90 SECOND) AS last,
    last - INTERVAL 5 MINUTE AS first
SELECT
    device_id,
    round(now_drawn.watts, 1) AS watts,
    round(history.mean, 1) AS usual,
    round(history.spread, 1) AS spread,
    now_drawn.measured AS measured,
    history.of_hours AS of_hours
FROM
(
    SELECT device_id, toFloat64(sum(watts_sum)) / sum(of_minute.readings) AS watts, sum(of_minute.readings) AS measured
    FROM punctual_minute AS of_minute
    WHERE minute >= first AND minute < last
    GROUP BY device_id
) AS now_drawn
INNER JOIN
(
    SELECT device_id, avg(watts) AS mean, stddevPop(watts) AS spread, count() AS of_hours
    FROM
    (
        SELECT device_id, hour, toFloat64(sum(watts_sum)) / sum(of_hour.readings) AS watts
        FROM punctual_hour AS of_hour
        WHERE hour >= toStartOfHour(first) - INTERVAL 7 DAY AND hour < toStartOfHour(first)
        GROUP BY device_id, hour
    )
    GROUP BY device_id
    HAVING of_hours >= {hours:UInt16}
) AS history USING (device_id)
WHERE now_drawn.watts > history.mean + greatest({sigmas:Float64} * history.spread, {least:Float64} * abs(history.mean))
ORDER BY device_id
