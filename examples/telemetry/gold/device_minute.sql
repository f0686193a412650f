/*
description: Each device's minute, as sums that add up.
grain: device and minute
conserves:
  rows: sum(readings)
  watts: sum(watts_sum)
from_silver:
  rows: count()
  watts: sum(energy_watts)
*/

-- The one gold by devices that reads every measurement; hours are made of it.
CREATE TABLE IF NOT EXISTS device_minute
(
    device_id    String CODEC(ZSTD(1)),
    minute    DateTime('UTC') CODEC(Delta, ZSTD(1)),
    readings  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    watts_sum SimpleAggregateFunction(sum, Decimal(38, 3)) CODEC(ZSTD(1)), -- over readings: the mean
    watts_max SimpleAggregateFunction(max, Decimal(12, 3)) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (device_id, minute)
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '';

CREATE MATERIALIZED VIEW IF NOT EXISTS device_minute_mv TO device_minute AS
SELECT
    device_id,
    toStartOfMinute(timestamp) AS minute,
    count() AS readings,
    sum(energy_watts) AS watts_sum,
    max(energy_watts) AS watts_max
FROM telemetry_data
GROUP BY device_id, minute;
