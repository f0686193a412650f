SELECT
    home_id,
    epoch(date_trunc('hour', ts))::BIGINT AS hour_s,
    count(*) AS n,
    coalesce(sum(energy), 0) AS energy,
    count(energy) AS energy_readings,
    avg(temperature) AS mean,
    max(temperature) AS highest,
    list_sort(list(temperature::DOUBLE) FILTER (temperature IS NOT NULL)) AS sorted
FROM readings
GROUP BY ALL
ORDER BY home_id, hour_s
