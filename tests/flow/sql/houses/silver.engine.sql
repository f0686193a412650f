SELECT
    home_id,
    count() AS n,
    toString(sum(energy)) AS energy,
    toString(sum(temperature)) AS temperature,
    toString(sum(voltage)) AS voltage
FROM readings
GROUP BY home_id
ORDER BY home_id
