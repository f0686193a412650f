/*
description: One house in Sceaux, France, a reading a minute, as readings of home 100001.
*/
WITH
    -- Days and months have two digits in 2006 and, from January on, as few as they need.
    parseDateTimeOrNull(concat(trim(`Date`), ' ', trim(`Time`)), '%e/%c/%Y %H:%i:%s', 'Europe/Paris') AS local_time,
    addMilliseconds(toDateTime64(local_time, 3, 'UTC'), {shift_ms:Int64}) AS at,
    -- An average of kW over a minute is kW * 1000 / 60 watt hours. «?» gives NULL.
    round(toFloat64OrNull(trim(`Global_active_power`)) * 1000 / 60, 3) AS watt_hours,
    round(toDecimal64OrNull(trim(`Voltage`), 3), 1) AS volts
SELECT
    100001 AS home_id,
    -- A time that cannot be read goes on as it is written: bronze says what is wrong with it.
    ifNull(concat(replaceOne(toString(at), ' ', 'T'), 'Z'), concat(`Date`, ' ', `Time`)) AS ts,
    'sceaux' AS region,
    watt_hours AS energy,
    volts AS voltage
FROM input
-- Minutes the meter missed («?» in every column) are no readings.
WHERE watt_hours IS NOT NULL OR volts IS NOT NULL
