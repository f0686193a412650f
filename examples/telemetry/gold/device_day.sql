/*
description: Each device's day (UTC).
grain: device and day
*/

-- A view: a day is 24 rows of device_hour, which cost less to add up than a table of days costs an insert.
CREATE VIEW IF NOT EXISTS device_day AS
SELECT
    device_id,
    toDate(hour) AS day,
    sum(of_hour.readings) AS readings,
    sum(of_hour.watts_sum) AS watts_sum,
    max(of_hour.watts_max) AS watts_max
FROM device_hour AS of_hour
GROUP BY device_id, day;
