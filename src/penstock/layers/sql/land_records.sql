/* Lands one batch of records that bring their positions. Filled in by landing.py. */
INSERT INTO {bronze}
    (_source, _part, _pos, _batch, _key, _headers, _sent_at, _ingested_at, _null, _raw)
SELECT
    {source}, part, pos, {batch}, key, headers,
    if(sent_ms < 0, NULL, fromUnixTimestamp64Milli(sent_ms, 'UTC')),
    fromUnixTimestamp64Milli({ingested_ms}, 'UTC'),
    tombstone,
    raw
FROM input('{structure}')
SETTINGS
    insert_deduplication_token = {token},
    insert_deduplicate = 1,
    deduplicate_insert = 'enable',
    deduplicate_blocks_in_dependent_materialized_views = 1,
    materialized_views_ignore_errors = 0,
    async_insert = 0,
    max_threads = 1,
    max_insert_threads = 1,
    max_block_size = 1048576,
    max_insert_block_size = 1048576,
    min_insert_block_size_rows = 1048576,
    min_insert_block_size_bytes = 268435456,
    throw_on_max_partitions_per_insert_block = 0
FORMAT RowBinary
