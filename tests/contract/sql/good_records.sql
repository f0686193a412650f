SELECT
    _batch,
    home_id,
    toString(ts) AS ts,
    toString(region) AS region,
    toString(temperature) AS temperature,
    toString(energy) AS energy,
    toString(voltage) AS voltage,
    toString(vibration) AS vibration
FROM readings
