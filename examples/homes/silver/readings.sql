/*
description: Every good reading, typed; one row for each good row of raw_sensors.
range: {temperature: [-60, 120], voltage: [0, 500], vibration: [0, 1000]}
fresh: {_ingested_at: 10m}
*/

-- Units: temperature °C inside, energy Wh since the device's previous reading, voltage V,
-- vibration mm/s RMS. NULL is «the device did not send it»; a region not sent is ''.
-- Decimals, because sums of them are exact and because they are smaller: 3.3 bytes a reading for the
-- four values of the simulator, against 5.6 as Float32. T64('bit') and ZSTD(1) are the smallest for
-- them; ts has jitter, where Delta is never far from the best and DoubleDelta can be. Figures, and how
-- they were measured: docs/decisions/0001-codecs-of-readings.md.
-- A region never stands in the partition key, and months bound the parts an insert makes.
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
    INDEX by_batch _batch TYPE minmax GRANULARITY 1 -- a batch is counted right after it is written
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (home_id, ts)
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '';

-- A cast to Decimal cuts off, so half a last digit is added before it: 1.15 is 1.1499… as a double.
-- No expression can throw, whatever `_error` let through.
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
