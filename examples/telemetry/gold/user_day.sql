/*
description: Each user's day (UTC).
grain: user and day
*/

-- A view: a day is 24 rows of user_hour, which cost less to add up than a table of days costs an insert.
CREATE VIEW IF NOT EXISTS user_day AS
SELECT
    user_id,
    toDate(hour) AS day,
    sum(of_hour.readings) AS readings,
    sum(of_hour.watts_sum) AS watts_sum,
    max(of_hour.watts_max) AS watts_max
FROM user_hour AS of_hour
GROUP BY user_id, day;
