/*
description: What a user draws on average and at most over a range; an unknown user is no row.
defaults: {range: last_hour}
params:
  user_id: whose
  range: last_hour, last_day or 7d, up to now; or from/to, as 2026-11-21T13:00:00Z/2026-11-21T14:00:00Z
cache: 300s
max_stale: 1s
columns:
  average: mean of all measurements in the range, W
  maximum: highest measurement, W
  count: measurements
*/

-- Ranges are half-open and in UTC (where a bound names no other zone), and begin and end at whole
-- minutes, which gold has: a bound within a minute is taken for that minute's start. What is no range
-- at all cannot be parsed, which is said.
WITH
    toStartOfMinute(now('UTC')) AS this_minute,
    {range:String} IN ('last_hour', 'last_day', '7d') AS is_named,
    splitByChar('/', {range:String}) AS parts,
    if(is_named, ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00Z'], if(length(parts) = 2, parts, [{range:String}, ''])) AS bounds,
    -- A minute is a DateTime, which would run over outside of these years.
    arrayMap(b -> toStartOfMinute(toDateTime(least(greatest(parseDateTime64BestEffort(b, 3, 'UTC'), toDateTime64(0, 3, 'UTC')), toDateTime64('2106-02-07 06:28:00', 3, 'UTC')), 'UTC')), bounds) AS in_reach,
    multiIf(
        {range:String} = 'last_hour', this_minute - INTERVAL 1 HOUR,
        {range:String} = 'last_day', this_minute - INTERVAL 1 DAY,
        {range:String} = '7d', this_minute - INTERVAL 7 DAY,
        in_reach[1]) AS first,
    if(is_named, this_minute + INTERVAL 1 MINUTE, in_reach[2]) AS last
SELECT
    user_id,
    round(toFloat64(sum(watts_sum)) / sum(of_minute.readings), 3) AS average,
    max(watts_max) AS maximum,
    sum(of_minute.readings) AS count
FROM user_minute AS of_minute
WHERE user_id = {user_id:String} AND minute >= first AND minute < last
GROUP BY user_id
