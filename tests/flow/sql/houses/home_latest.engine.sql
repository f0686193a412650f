SELECT
    home_id,
    sum(readings) AS n,
    toUnixTimestamp64Milli(max(last_ts)) AS ms,
    argMaxMerge(latest) AS newest,
    newest.region AS region,
    toString(newest.temperature) AS temperature,
    toString(newest.energy) AS energy,
    toString(newest.voltage) AS voltage
FROM home_latest
GROUP BY home_id
ORDER BY home_id
