/*
description: Mean temperature of each home and hour of the last day, of the 24 homes that differ most between their hours.
columns: {inside: °C}
*/
WITH warm AS
(
    SELECT
        hour,
        home_id,
        round(sum(temperature_sum) / 100 / sum(temperature_count), 2) AS inside
    FROM home_hours
    WHERE hour > now('UTC') - INTERVAL 24 HOUR
    GROUP BY hour, home_id
    HAVING sum(temperature_count) > 0
)
SELECT hour, concat('home ', toString(home_id)) AS home, inside
FROM warm
WHERE home_id IN (SELECT home_id FROM warm GROUP BY home_id ORDER BY max(inside) - min(inside) DESC, home_id LIMIT 24)
ORDER BY hour, home_id
