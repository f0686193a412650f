/*
description: One low-energy house in Stambruges, Belgium, a reading every ten minutes, as readings of home 100002, a minute each.
*/
-- A line is told as ten readings, one for each minute it covers, the last at the line's own time:
-- all its Wh in one minute would be ten times the power the house drew.
WITH
    -- The logger's clock was never put forward: 27 March 2016 has its readings from 02:00 to 02:50, an
    -- hour that summer time skips, and every step of the file is ten minutes. So it is Belgian winter
    -- time (UTC+1) throughout, which is called Etc/GMT-1.
    parseDateTimeOrNull(trim(`date`), '%Y-%m-%d %H:%i:%s', 'Etc/GMT-1') AS local_time,
    addMilliseconds(toDateTime64(local_time, 3, 'UTC'), {shift_ms:Int64}) - toIntervalMinute(minutes_before) AS at,
    -- Both are whole Wh of the last ten minutes, so that a tenth of them is exact in three decimals;
    -- where one is blank the sum is unknown.
    toFloat64OrNull(trim(`Appliances`)) + toFloat64OrNull(trim(`lights`)) AS watt_hours,
    -- T2 is the living room. As a Decimal, so that a half rounds up as it is written.
    round(toDecimal128OrNull(trim(`T2`), 15), 2) AS living_room
SELECT
    100002 AS home_id,
    ifNull(concat(replaceOne(toString(at), ' ', 'T'), 'Z'), `date`) AS ts,
    'stambruges' AS region,
    living_room AS temperature,
    watt_hours / 10 AS energy
FROM input
ARRAY JOIN [9, 8, 7, 6, 5, 4, 3, 2, 1, 0] AS minutes_before
WHERE watt_hours IS NOT NULL OR living_room IS NOT NULL
