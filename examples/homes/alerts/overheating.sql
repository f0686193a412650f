/*
description: A home is much warmer than people live in.
every: 5s
for: 10s
keep: 20s
key: home_id
severity: critical
notify: [log]
message: Home {home_id} ({region}) is at {temperature} °C
defaults: {most: 40}
*/

-- Of each home its newest reading, where that came in the last five minutes: a home that is silent is
-- another alert's concern. Gold has one row a home, so all of them are looked at in milliseconds.
SELECT
    home_id,
    newest.region AS region,
    newest.temperature AS temperature,
    newest_ts AS ts
FROM
(
    SELECT home_id, max(last_ts) AS newest_ts, argMaxMerge(latest) AS newest
    FROM home_latest
    GROUP BY home_id
)
WHERE newest.temperature > {most:Float64} AND newest_ts > now64(3, 'UTC') - INTERVAL 5 MINUTE
ORDER BY home_id
