/*
description: Each home's own norm for each hour of the week (UTC), over all weeks there are.
grain: home and hour of the week
conserves:
  rows: sum(readings)
  energy: sum(energy_sum)
  temperature: sum(temperature_sum)
  voltage: sum(voltage_sum)
  vibration: sum(vibration_sum)
from_silver:
  rows: count()
  energy: sum(energy) * 1000
  temperature: ifNull(sum(temperature), 0) * 100
  voltage: ifNull(sum(voltage), 0) * 10
  vibration: ifNull(sum(vibration), 0) * 1000
*/

-- Fed from home_hours and not from silver: what a batch adds there is a few rows an hour and home,
-- so this table costs an insert next to nothing. Sums, counts and sums of squares add up, so late rows
-- find their way, and the hour that is being judged can be taken out of its own norm by subtraction.
-- 168 rows a home, however long it runs.
-- The hour is the first of the key: what lands now is of one hour of the week, so that FINAL has to
-- merge that one alone and takes the others as they are. In the other order judging a day of all homes
-- took twice as long. Parts that a bulk of history leaves behind are merged after ten minutes.
-- It is small and always read as a whole: what the engine packs by default is unpacked in half of the
-- time that ZSTD takes, for 8 MB instead of 4 at a thousand homes.
-- Energy is normed by the hour and not by the reading: a device that reports each second and one that
-- reports each five minutes draw the same in an hour. `hours` knows which hours are in.
CREATE TABLE IF NOT EXISTS home_baseline
(
    home_id             UInt32,
    hour_of_week        UInt8, -- 0 is Monday 00:00
    readings            SimpleAggregateFunction(sum, UInt64),
    hours               AggregateFunction(groupBitmap, UInt32), -- hours since 1970
    energy_sum          SimpleAggregateFunction(sum, Int64), -- 0.001 Wh
    temperature_count   SimpleAggregateFunction(sum, UInt64),
    temperature_sum     SimpleAggregateFunction(sum, Int64), -- 0.01 °C
    temperature_squares SimpleAggregateFunction(sum, Int64),
    voltage_count       SimpleAggregateFunction(sum, UInt64),
    voltage_sum         SimpleAggregateFunction(sum, Int64), -- 0.1 V
    voltage_squares     SimpleAggregateFunction(sum, Int64),
    vibration_count     SimpleAggregateFunction(sum, UInt64),
    vibration_sum       SimpleAggregateFunction(sum, Int64), -- 0.001 mm/s RMS
    vibration_squares   SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
ORDER BY (hour_of_week, home_id)
SETTINGS
    non_replicated_deduplication_window = 50000, fsync_after_insert = 1,
    auto_statistics_types = '', index_granularity = 1024, min_age_to_force_merge_seconds = 600;

CREATE MATERIALIZED VIEW IF NOT EXISTS home_baseline_mv TO home_baseline AS
SELECT
    home_id,
    toUInt8((toDayOfWeek(hour) - 1) * 24 + toHour(hour)) AS hour_of_week,
    sum(readings) AS readings,
    groupBitmapState(intDiv(toUnixTimestamp(hour), 3600)) AS hours,
    sum(energy_sum) AS energy_sum,
    sum(temperature_count) AS temperature_count,
    sum(temperature_sum) AS temperature_sum,
    sum(temperature_squares) AS temperature_squares,
    sum(voltage_count) AS voltage_count,
    sum(voltage_sum) AS voltage_sum,
    sum(voltage_squares) AS voltage_squares,
    sum(vibration_count) AS vibration_count,
    sum(vibration_sum) AS vibration_sum,
    sum(vibration_squares) AS vibration_squares
FROM home_hours
GROUP BY home_id, hour_of_week;
