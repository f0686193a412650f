/*
description: Each hour's devices, of measurements that came within a minute; a device's history for alerts.
grain: hour and device
conserves:
  rows: sum(readings)
  watts: sum(watts_sum)
from_silver:
  rows: countIf(timestamp > _ingested_at - INTERVAL 1 MINUTE)
  watts: sumIf(energy_watts, timestamp > _ingested_at - INTERVAL 1 MINUTE)
*/

-- Fed from punctual_minute: of a batch that is some rows a device, so this costs an insert little.
CREATE TABLE IF NOT EXISTS punctual_hour
(
    hour      DateTime('UTC') CODEC(Delta, ZSTD(1)),
    device_id String CODEC(ZSTD(1)),
    readings  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    watts_sum SimpleAggregateFunction(sum, Decimal(38, 3)) CODEC(ZSTD(1)) -- over readings: the mean
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, device_id)
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '';

CREATE MATERIALIZED VIEW IF NOT EXISTS punctual_hour_mv TO punctual_hour AS
SELECT
    toStartOfHour(minute) AS hour,
    device_id,
    sum(of_minute.readings) AS readings,
    sum(of_minute.watts_sum) AS watts_sum
FROM punctual_minute AS of_minute
GROUP BY hour, device_id;
