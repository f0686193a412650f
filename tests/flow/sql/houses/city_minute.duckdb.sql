SELECT
    epoch(date_trunc('minute', ts))::BIGINT AS minute_s,
    region,
    count(*) AS n,
    coalesce(sum(energy), 0) AS energy,
    avg(temperature) AS mean,
    count(*) AS late, -- years after
    epoch_ms(max(ts)) AS last_ms
FROM readings
GROUP BY ALL
ORDER BY minute_s, region
