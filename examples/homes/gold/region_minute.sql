/*
description: Each region's minute, whenever its rows arrived.
grain: minute and region
*/

-- A view on gold, not a table of its own: city_minute holds the same minutes, split by when their rows
-- arrived, some ten rows a minute and region. To add those up costs a read a millisecond; a second
-- table would cost every insert one more part.
CREATE VIEW IF NOT EXISTS region_minute AS
SELECT
    minute,
    region,
    sum(city_minute.rows) AS rows,
    sum(city_minute.energy_sum) AS energy_sum, -- Wh
    round(toFloat64(sum(city_minute.energy_sum)) * 60 / 1000, 5) AS kw, -- mean power
    avgMerge(temperature_avg) AS temperature, -- °C, mean
    sum(city_minute.late_rows) AS late_rows, -- arrived over 60 s after their time
    max(city_minute.last_ingested) AS last_ingested
FROM city_minute
GROUP BY minute, region;
