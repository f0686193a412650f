SELECT
    home_id,
    toUnixTimestamp(hour) AS hour_s,
    sum(readings) AS n,
    toString(sum(energy_sum)) AS energy,
    sum(energy_count) AS energy_readings,
    avgMerge(temperature_avg) AS mean,
    toString(max(temperature_max)) AS highest,
    quantilesDDMerge(0.002, 0.5, 0.95)(temperature_quantiles) AS quantiles
FROM hourly_stats
GROUP BY home_id, hour
ORDER BY home_id, hour
