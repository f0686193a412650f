/*
description: The highest newest temperature of the homes heard of within 5 minutes.
columns: {warmest: °C}
*/
SELECT toFloat64(max(newest.temperature)) AS warmest
FROM
(
    SELECT argMaxMerge(latest) AS newest, max(last_ts) AS heard
    FROM home_latest
    GROUP BY home_id
)
WHERE heard > now('UTC') - INTERVAL 5 MINUTE
