/*
description: Each device's hour, as sums that add up.
grain: device and hour
conserves:
  rows: sum(readings)
  watts: sum(watts_sum)
from_silver:
  rows: count()
  watts: sum(energy_watts)
*/

-- Fed from device_minute: of a batch that is some rows a device, so this costs an insert little.
CREATE TABLE IF NOT EXISTS device_hour
(
    device_id    String CODEC(ZSTD(1)),
    hour    DateTime('UTC') CODEC(Delta, ZSTD(1)),
    readings  SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    watts_sum SimpleAggregateFunction(sum, Decimal(38, 3)) CODEC(ZSTD(1)), -- over readings: the mean
    watts_max SimpleAggregateFunction(max, Decimal(12, 3)) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (device_id, hour)
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '';

CREATE MATERIALIZED VIEW IF NOT EXISTS device_hour_mv TO device_hour AS
SELECT
    device_id,
    toStartOfHour(minute) AS hour,
    sum(of_minute.readings) AS readings,
    sum(of_minute.watts_sum) AS watts_sum,
    max(of_minute.watts_max) AS watts_max
FROM device_minute AS of_minute
GROUP BY device_id, hour;
