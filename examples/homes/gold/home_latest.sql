/*
description: Each home's newest reading and how many it sent.
grain: home
conserves:
  rows: sum(readings)
from_silver:
  rows: count()
*/

-- `latest` is one whole reading, NULLs included: argMax over single columns would skip NULLs and mix
-- readings. It is ordered by time, then by earlier arrival: a late row does not win because its time is
-- older, and of two readings of one moment the one that came first stays. Within a batch the first in
-- the batch's order wins.
-- A batch is reduced to one reading a home first, by plain numbers; states over tuples of times are
-- three times as dear and are made of those few rows only.
CREATE TABLE IF NOT EXISTS home_latest
(
    home_id       UInt32 CODEC(Delta, ZSTD(1)),
    readings      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    last_ts       SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_ingested SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    latest AggregateFunction(argMax,
        Tuple(region String, temperature Nullable(Decimal(9, 2)), energy Nullable(Decimal(9, 3)),
              voltage Nullable(Decimal(9, 1)), vibration Nullable(Decimal(9, 3))),
        Tuple(DateTime64(3, 'UTC'), Int64)) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY home_id
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '';

CREATE MATERIALIZED VIEW IF NOT EXISTS home_latest_mv TO home_latest AS
SELECT
    home_id,
    sum(of_batch) AS readings,
    max(newest_ts) AS last_ts,
    max(newest_ingested) AS last_ingested,
    argMaxState(newest, (newest_ts, -toInt64(_batch))) AS latest
FROM
(
    SELECT
        home_id,
        _batch,
        count() AS of_batch,
        max(ts) AS newest_ts,
        max(_ingested_at) AS newest_ingested,
        argMax(
            CAST((region, temperature, energy, voltage, vibration), 'Tuple(region String, temperature Nullable(Decimal(9, 2)), energy Nullable(Decimal(9, 3)), voltage Nullable(Decimal(9, 1)), vibration Nullable(Decimal(9, 3)))'),
            ts) AS newest
    FROM readings
    GROUP BY home_id, _batch
)
GROUP BY home_id;
