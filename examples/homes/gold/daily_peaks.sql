/*
description: Each home's day (UTC), its energy and its highest and lowest, with the hour each was in.
grain: home and day
*/

-- A view on gold, not a table of its own: a day is 24 rows of home_hours a home, and an insert that had
-- to fill one more table would cost more than these cost to read. «The hour of» is the earliest one where
-- several share the peak; an hour without such readings is no peak.
CREATE VIEW IF NOT EXISTS daily_peaks AS
SELECT
    home_id,
    toDate(hour) AS day,
    sum(of_hour.readings) AS readings,
    sum(of_hour.energy_sum) / 1000 AS energy_sum, -- Wh
    max(of_hour.energy_sum) / 1000 AS energy_peak, -- Wh in the hour that drew most
    argMax(hour, (of_hour.energy_sum, -toInt64(toUnixTimestamp(hour)))) AS energy_peak_hour,
    max(of_hour.temperature_max) AS temperature_max, -- °C
    argMaxOrNullIf(hour, (of_hour.temperature_max, -toInt64(toUnixTimestamp(hour))), of_hour.temperature_max IS NOT NULL) AS temperature_max_hour,
    min(of_hour.temperature_min) AS temperature_min,
    argMinOrNullIf(hour, (of_hour.temperature_min, toUnixTimestamp(hour)), of_hour.temperature_min IS NOT NULL) AS temperature_min_hour,
    min(of_hour.voltage_min) AS voltage_min, -- V
    argMinOrNullIf(hour, (of_hour.voltage_min, toUnixTimestamp(hour)), of_hour.voltage_min IS NOT NULL) AS voltage_min_hour,
    max(of_hour.vibration_max) AS vibration_max, -- mm/s RMS
    argMaxOrNullIf(hour, (of_hour.vibration_max, -toInt64(toUnixTimestamp(hour))), of_hour.vibration_max IS NOT NULL) AS vibration_max_hour
FROM
(
    SELECT
        home_id,
        hour,
        sum(home_hours.readings) AS readings,
        sum(home_hours.energy_sum) AS energy_sum,
        max(home_hours.temperature_max) AS temperature_max,
        min(home_hours.temperature_min) AS temperature_min,
        min(home_hours.voltage_min) AS voltage_min,
        max(home_hours.vibration_max) AS vibration_max
    FROM home_hours
    GROUP BY home_id, hour
) AS of_hour
GROUP BY home_id, day;
