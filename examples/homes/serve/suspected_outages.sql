/*
description: Whole hours in which less than half of a region's homes were heard.
defaults: {hours: 24}
params: {hours: how many whole hours back}
cache: 60s
max_stale: 1s
columns:
  hour_ms: start of the hour, epoch ms
  suspect: outage
  value: homes that were heard
  expected: homes of the region that were heard within the hours asked for, or the day before them
  samples: readings in the hour
  since_ms: first such hour of that region among those asked for, epoch ms
*/
WITH toStartOfHour(now('UTC')) AS this_hour
SELECT
    region,
    toUnixTimestamp(hour) * 1000 AS hour_ms,
    'outage' AS suspect,
    heard AS value,
    homes AS expected,
    readings AS samples,
    min(hour_ms) OVER (PARTITION BY region) AS since_ms
FROM
(
    SELECT region, hour, sum(came) AS heard, max(of_region) AS homes, sum(sent) AS readings
    FROM
    (
        -- Each region has a row for each hour, so that an hour without any reading is seen, too.
        SELECT region, hour, 0 AS came, 0 AS sent, uniqExact(home_id) AS of_region
        FROM (SELECT home_id, argMaxMerge(latest).region AS region, max(last_ts) AS newest FROM home_latest GROUP BY home_id)
        ARRAY JOIN arrayMap(n -> this_hour - toIntervalHour(n), range(1, 1 + toUInt64({hours:UInt16}))) AS hour
        WHERE newest > this_hour - toIntervalHour({hours:UInt16}) - INTERVAL 1 DAY
        GROUP BY region, hour
        UNION ALL
        SELECT region, hour, uniqExact(home_id), sum(readings), 0
        FROM home_hours
        WHERE hour >= this_hour - toIntervalHour({hours:UInt16}) AND hour < this_hour
        GROUP BY region, hour
    )
    GROUP BY region, hour
)
WHERE heard < homes / 2
ORDER BY hour_ms DESC, region
