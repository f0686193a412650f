/*
description: One low-energy house in Stambruges, Belgium, a reading every ten minutes, as readings of home 100002.
*/
WITH
    -- The logger's clock was never put forward: 27 March 2016 has its readings from 02:00 to 02:50, an
    -- hour that summer time skips, and every step of the file is ten minutes. So it is Belgian winter
    -- time (UTC+1) throughout, which is called Etc/GMT-1.
    parseDateTimeOrNull(trim(`date`), '%Y-%m-%d %H:%i:%s', 'Etc/GMT-1') AS local_time,
    addMilliseconds(toDateTime64(local_time, 3, 'UTC'), {shift_ms:Int64}) AS at,
    -- Both are Wh of the last ten minutes; where one is blank the sum is unknown.
    toFloat64OrNull(trim(`Appliances`)) + toFloat64OrNull(trim(`lights`)) AS watt_hours,
    -- T2 is the living room. As a Decimal, so that a half rounds up as it is written.
    round(toDecimal128OrNull(trim(`T2`), 15), 2) AS living_room
SELECT
    100002 AS home_id,
    ifNull(concat(replaceOne(toString(at), ' ', 'T'), 'Z'), `date`) AS ts,
    'stambruges' AS region,
    living_room AS temperature,
    watt_hours AS energy
FROM input
WHERE watt_hours IS NOT NULL OR living_room IS NOT NULL
