/*
description: Each home's hour as aggregate states; an endpoint merges as many hours as it asks for.
conserves:
  rows: sum(readings)
  energy: sum(energy_sum)
  energy_readings: sum(energy_count)
from_silver:
  rows: count()
  energy: sum(energy)
  energy_readings: count(energy)
*/
CREATE TABLE IF NOT EXISTS hourly_stats
(
    home_id         UInt32 CODEC(Delta, ZSTD(1)),
    hour            DateTime('UTC') CODEC(Delta, ZSTD(1)),
    readings        SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    energy_sum      SimpleAggregateFunction(sum, Decimal(38, 3)) CODEC(ZSTD(1)),
    energy_count    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    temperature_avg AggregateFunction(avg, Nullable(Decimal(9, 2))) CODEC(ZSTD(1)),
    temperature_max SimpleAggregateFunction(max, Nullable(Decimal(9, 2))) CODEC(ZSTD(1)),
    temperature_quantiles AggregateFunction(quantilesTDigest(0.5, 0.95), Nullable(Float32)) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (home_id, hour)
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '', index_granularity = 512;

CREATE MATERIALIZED VIEW IF NOT EXISTS hourly_stats_mv TO hourly_stats AS
SELECT
    home_id,
    toStartOfHour(ts) AS hour,
    count() AS readings,
    ifNull(sum(energy), 0) AS energy_sum,
    count(energy) AS energy_count,
    avgState(temperature) AS temperature_avg,
    max(temperature) AS temperature_max,
    quantilesTDigestState(0.5, 0.95)(toFloat32(temperature)) AS temperature_quantiles
FROM readings
GROUP BY home_id, hour;
