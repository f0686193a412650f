/*
description: Each minute's devices, of measurements that came within a minute; what alerts look at.
grain: minute and device
conserves:
  rows: sum(readings)
  watts: sum(watts_sum)
from_silver:
  rows: countIf(timestamp > _ingested_at - INTERVAL 1 MINUTE)
  watts: sumIf(energy_watts, timestamp > _ingested_at - INTERVAL 1 MINUTE)
*/

-- What comes late belongs to device_minute alone. So a minute is what it was when it was looked at, and
-- a rehearsal of the past sees what was seen then. By minutes first: five of them are one short read.
CREATE TABLE IF NOT EXISTS punctual_minute
(
    minute    DateTime('UTC') CODEC(Delta, ZSTD(1)),
    device_id String CODEC(ZSTD(1)),
    readings  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    watts_sum SimpleAggregateFunction(sum, Decimal(38, 3)) CODEC(ZSTD(1)) -- over readings: the mean
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, device_id)
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '';

CREATE MATERIALIZED VIEW IF NOT EXISTS punctual_minute_mv TO punctual_minute AS
SELECT
    toStartOfMinute(timestamp) AS minute,
    device_id,
    count() AS readings,
    sum(energy_watts) AS watts_sum
FROM telemetry_data
WHERE timestamp > _ingested_at - INTERVAL 1 MINUTE
GROUP BY minute, device_id;
