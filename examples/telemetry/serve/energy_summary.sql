/*
description: What a user draws on average and at most over a range; an unknown user is no row.
defaults: {range: last_hour, start: 0, stop: 0}
params:
  user_id: whose
  range: last_hour, last_day or 7d, up to now; or explicit, from start to stop
  start: of an explicit range, epoch seconds, in it
  stop: of an explicit range, epoch seconds, no longer in it
cache: 300s
max_stale: 1s
columns:
  average: mean of all measurements in the range, W
  maximum: highest measurement, W
  count: measurements
*/

-- Ranges are half-open and in UTC, and begin and end at whole minutes, which gold has.
WITH
    toStartOfMinute(now('UTC')) AS this_minute,
    multiIf(
        {range:String} = 'last_day', this_minute - INTERVAL 1 DAY,
        {range:String} = '7d', this_minute - INTERVAL 7 DAY,
        {range:String} = 'explicit', toStartOfMinute(toDateTime({start:UInt32}, 'UTC')),
        this_minute - INTERVAL 1 HOUR) AS first,
    if({range:String} = 'explicit', toDateTime({stop:UInt32}, 'UTC'), this_minute + INTERVAL 1 MINUTE) AS last
SELECT
    user_id,
    round(toFloat64(sum(watts_sum)) / sum(of_minute.readings), 3) AS average,
    max(watts_max) AS maximum,
    sum(of_minute.readings) AS count
FROM user_minute AS of_minute
WHERE user_id = {user_id:String} AND minute >= first AND minute < last
GROUP BY user_id
