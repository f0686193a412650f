/* In a struct, because max_by skips NULLs. */
SELECT
    home_id,
    count(*) AS n,
    epoch_ms(max(ts)) AS ms,
    max_by(region, ts) AS region,
    max_by({'value': temperature}, ts).value AS temperature,
    max_by({'value': energy}, ts).value AS energy,
    max_by({'value': voltage}, ts).value AS voltage
FROM readings
GROUP BY home_id
ORDER BY home_id
