/* DuckDB, not ClickHouse: both houses' readings from the files as published. */
CREATE TABLE readings AS
SELECT
    100001 AS home_id,
    'sceaux' AS region,
    timezone('UTC', timezone('Europe/Paris', strptime("Date" || ' ' || "Time", '%-d/%-m/%Y %H:%M:%S'))) AS ts,
    NULL::DECIMAL(9, 2) AS temperature,
    round("Global_active_power"::DOUBLE * 1000 / 60, 3)::DECIMAL(9, 3) AS energy,
    round("Voltage"::DECIMAL(9, 3), 1)::DECIMAL(9, 1) AS voltage
FROM read_csv('{household_power}', delim = ';', header = true, all_varchar = true)
UNION ALL
SELECT
    100002,
    'stambruges',
    strptime("date", '%Y-%m-%d %H:%M:%S') - INTERVAL 1 HOUR - INTERVAL 1 MINUTE * minutes_before,
    round("T2"::DECIMAL(38, 15), 2)::DECIMAL(9, 2),
    (("Appliances"::INTEGER + "lights"::INTEGER) * 0.1)::DECIMAL(9, 3), -- its share of ten minutes
    NULL
FROM read_csv('{appliances_energy}', header = true, all_varchar = true), range(10) AS minutes(minutes_before);
