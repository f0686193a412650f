/*
description: Every good measurement, typed; one row for each good row of raw_telemetry.
*/

-- Watts as a Decimal: sums of it are exact in any order, so that gold can be compared with silver to the
-- last digit. A user that was not sent is ''.
-- Kept 30 days from arrival: what is loaded of past years is not gone the next minute. Gold stays.
CREATE TABLE IF NOT EXISTS telemetry_data
(
    device_id    String CODEC(ZSTD(1)),
    user_id      String CODEC(ZSTD(1)),
    energy_watts Decimal(12, 3) CODEC(T64('bit'), ZSTD(1)),
    timestamp    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    date         Date MATERIALIZED toDate(timestamp) CODEC(ZSTD(1)),
    _source      LowCardinality(String) CODEC(ZSTD(1)),
    _batch       UInt64 CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_batch _batch TYPE minmax GRANULARITY 1 -- a batch is counted right after it is written
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (device_id, timestamp)
TTL toDateTime(_ingested_at) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '';

-- A cast to Decimal cuts off, so half a last digit is added before it. No expression can throw.
CREATE MATERIALIZED VIEW IF NOT EXISTS telemetry_data_mv TO telemetry_data AS
SELECT
    ifNull(doc.device_id, '') AS device_id,
    ifNull(doc.user_id, '') AS user_id,
    ifNull(accurateCastOrNull(toFloat64OrNull(doc.energy_watts) + sign(toFloat64OrNull(doc.energy_watts)) * 0.0005, 'Decimal(12, 3)'), 0::Decimal(12, 3)) AS energy_watts,
    ifNull(parseDateTime64BestEffortOrNull(doc.timestamp, 3, 'UTC'), toDateTime64(0, 3, 'UTC')) AS timestamp,
    _source,
    _batch,
    _ingested_at
FROM raw_telemetry
WHERE _error = '';
