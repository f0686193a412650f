SELECT
    home_id,
    count(*) AS n,
    sum(energy) AS energy,
    sum(temperature) AS temperature,
    sum(voltage) AS voltage
FROM readings
GROUP BY home_id
ORDER BY home_id
