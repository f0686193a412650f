/*
description: Every good reading, typed; one row for each good row of raw_sensors.
*/
CREATE TABLE IF NOT EXISTS readings
(
    ts           DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    home_id      UInt32 CODEC(Delta, ZSTD(1)),
    region       LowCardinality(String) CODEC(ZSTD(1)),
    temperature  Nullable(Decimal(9, 2)) CODEC(T64('bit'), ZSTD(1)),
    energy       Nullable(Decimal(9, 3)) CODEC(T64('bit'), ZSTD(1)),
    voltage      Nullable(Decimal(9, 1)) CODEC(T64('bit'), ZSTD(1)),
    vibration    Nullable(Decimal(9, 3)) CODEC(T64('bit'), ZSTD(1)),
    _source      LowCardinality(String) CODEC(ZSTD(1)),
    _batch       UInt64 CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_batch _batch TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (home_id, ts)
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '';

CREATE MATERIALIZED VIEW IF NOT EXISTS readings_mv TO readings AS
SELECT
    ifNull(parseDateTime64BestEffortOrNull(doc.ts, 3, 'UTC'), toDateTime64(0, 3, 'UTC')) AS ts,
    ifNull(accurateCastOrNull(doc.home_id, 'UInt32'), 0) AS home_id,
    ifNull(doc.region, '') AS region,
    accurateCastOrNull(doc.temperature + sign(doc.temperature) * 0.005, 'Decimal(9, 2)') AS temperature,
    accurateCastOrNull(doc.energy + sign(doc.energy) * 0.0005, 'Decimal(9, 3)') AS energy,
    accurateCastOrNull(doc.voltage + sign(doc.voltage) * 0.05, 'Decimal(9, 1)') AS voltage,
    accurateCastOrNull(doc.vibration + sign(doc.vibration) * 0.0005, 'Decimal(9, 3)') AS vibration,
    _source,
    _batch,
    _ingested_at
FROM raw_sensors
WHERE _error = '';
