/*
description: Each user's minute over all their devices, as sums that add up.
grain: user and minute
conserves:
  rows: sum(readings)
  watts: sum(watts_sum)
from_silver:
  rows: count()
  watts: sum(energy_watts)
*/

-- From silver and not from device_minute, whose rows are not told apart by user.
CREATE TABLE IF NOT EXISTS user_minute
(
    user_id    String CODEC(ZSTD(1)),
    minute    DateTime('UTC') CODEC(Delta, ZSTD(1)),
    readings  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    watts_sum SimpleAggregateFunction(sum, Decimal(38, 3)) CODEC(ZSTD(1)), -- over readings: the mean
    watts_max SimpleAggregateFunction(max, Decimal(12, 3)) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (user_id, minute)
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '';

CREATE MATERIALIZED VIEW IF NOT EXISTS user_minute_mv TO user_minute AS
SELECT
    user_id,
    toStartOfMinute(timestamp) AS minute,
    count() AS readings,
    sum(energy_watts) AS watts_sum,
    max(energy_watts) AS watts_max
FROM telemetry_data
GROUP BY user_id, minute;
