SELECT
    toUnixTimestamp(minute) AS minute_s,
    region,
    sum(city_minute.rows) AS n,
    toString(sum(energy_sum)) AS energy,
    avgMerge(temperature_avg) AS mean,
    sum(late_rows) AS late,
    toUnixTimestamp64Milli(max(last_ts)) AS last_ms
FROM city_minute
GROUP BY minute, region
ORDER BY minute, region
