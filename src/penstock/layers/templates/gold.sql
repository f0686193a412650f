/*
description: The hours of {silver} as aggregate states; a query merges as many as it asks for.
grain: {grain}
conserves:
  {rows}: sum({rows})
--each measures
  {key}: sum({name}_sum)
--end
from_silver:
  {rows}: count()
--each measures
  {key}: sum({name})
--end
*/

-- Averages of two inserts do not add up, so no row holds one: sums and counts add, the least of the
-- least is the least, and an average is kept as a state (sum and count) that avgMerge finishes.
-- No partitions: the key finds an hour as well, and an insert of history stays one part.
CREATE TABLE IF NOT EXISTS {gold}
(
    --each keys
    {quoted} {type} CODEC({codec}),
    --end
    {hour} DateTime('UTC') CODEC(Delta, ZSTD(1)),
    {rows} SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    --each measures
    {name}_sum SimpleAggregateFunction(sum, {sum}) CODEC(ZSTD(1)),
    {name}_avg AggregateFunction(avg, {type}) CODEC(ZSTD(1)),
    {name}_min SimpleAggregateFunction(min, {type}) CODEC(ZSTD(1)),
    {name}_max SimpleAggregateFunction(max, {type}) CODEC(ZSTD(1)),
    --end
    {last} SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY ({order})
SETTINGS
    non_replicated_deduplication_window = {window}, fsync_after_insert = 1,
    auto_statistics_types = '', index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS {gold}_mv TO {gold} AS
SELECT
    --each keys
    {quoted},
    --end
    toStartOfHour({time}) AS {hour},
    count() AS {rows},
    --each measures
    ifNull(sum({quoted}), 0) AS {name}_sum,
    avgState({quoted}) AS {name}_avg,
    min({quoted}) AS {name}_min,
    max({quoted}) AS {name}_max,
    --end
    max({time}) AS {last}
FROM {silver}
GROUP BY {order};
