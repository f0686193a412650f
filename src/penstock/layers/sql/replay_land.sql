/* Lands dead letters again as the records they are: bronze judges them anew, views carry them on. */
INSERT INTO {bronze} ({columns})
SELECT {columns}
FROM {bronze}
WHERE {letters} AND _error != ''
ORDER BY _part, _pos
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
    throw_on_max_partitions_per_insert_block = 0,
    max_query_size = {long}
