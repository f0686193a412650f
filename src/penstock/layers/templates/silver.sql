/*
description: Every good record of {source}, typed; one row for each good row of {bronze}.
*/

-- NULL is «it was not sent»; of a text that is ''.
--each decimal
-- The numbers are Decimals where the sample's had few digits: sums of them are exact, and they are
-- smaller than floats. Digits beyond the last are rounded.
--end
--each timeless
-- The records have no time of their own: a row's time is its arrival, and its place among those that
-- came with it is (_part, _pos).
--end
-- Months bound the parts that an insert makes; what rows are looked up by goes first in ORDER BY, never
-- into the partition key.
CREATE TABLE IF NOT EXISTS {silver}
(
    --each columns
    {quoted} {type} CODEC({codec}),
    --end
    --each timeless
    _part UInt32 CODEC(Delta, ZSTD(1)),
    _pos UInt64 CODEC(Delta, ZSTD(1)),
    --end
    _source LowCardinality(String) CODEC(ZSTD(1)),
    _batch UInt64 CODEC(Delta, ZSTD(1)),
    _ingested_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_batch _batch TYPE minmax GRANULARITY 1 -- a batch is counted right after it is written
)
ENGINE = MergeTree
PARTITION BY toYYYYMM({time})
ORDER BY ({order})
SETTINGS non_replicated_deduplication_window = {window}, fsync_after_insert = 1, auto_statistics_types = '';

-- No expression can throw, whatever `_error` let through: one such row would block its batch.
CREATE MATERIALIZED VIEW IF NOT EXISTS {silver}_mv TO {silver} AS
SELECT
    --each columns
    {expression} AS {quoted},
    --end
    --each timeless
    _part,
    _pos,
    --end
    _source,
    _batch,
    _ingested_at
FROM {bronze}
WHERE _error = '';
