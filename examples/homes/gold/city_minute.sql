/*
description: Each region's minute, split by the ten seconds its rows arrived in.
grain: minute, region, and ten seconds of arrival
conserves:
  rows: sum(rows)
  energy: sum(energy_sum)
  late: sum(late_rows)
from_silver:
  rows: count()
  energy: sum(energy)
  late: countIf(_ingested_at > ts + INTERVAL 60 SECOND)
*/

-- kW of a region in a minute = sum(energy_sum) * 60 / 1000.
-- A batch arrives at one moment, so `arrived` splits no batch; it lets «rows a second» and «late in
-- the last minute» be read from here, while `minute` is when the devices measured.
CREATE TABLE IF NOT EXISTS city_minute
(
    minute          DateTime('UTC') CODEC(Delta, ZSTD(1)),
    region          LowCardinality(String) CODEC(ZSTD(1)),
    arrived         DateTime('UTC') CODEC(Delta, ZSTD(1)),
    rows            SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    energy_sum      SimpleAggregateFunction(sum, Decimal(38, 3)) CODEC(ZSTD(1)), -- Wh
    temperature_avg AggregateFunction(avg, Nullable(Decimal(9, 2))) CODEC(ZSTD(1)), -- °C
    late_rows       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)), -- arrived over 60 s after ts
    last_ts         SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_ingested   SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    INDEX by_arrival arrived TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
ORDER BY (minute, region, arrived)
SETTINGS
    non_replicated_deduplication_window = 50000, fsync_after_insert = 1,
    auto_statistics_types = '', index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS city_minute_mv TO city_minute AS
SELECT
    toStartOfMinute(ts) AS minute,
    region,
    toStartOfInterval(_ingested_at, INTERVAL 10 SECOND) AS arrived,
    count() AS rows,
    ifNull(sum(energy), 0) AS energy_sum,
    avgState(temperature) AS temperature_avg,
    countIf(_ingested_at > ts + INTERVAL 60 SECOND) AS late_rows,
    max(ts) AS last_ts,
    max(_ingested_at) AS last_ingested
FROM readings
GROUP BY minute, region, arrived;
