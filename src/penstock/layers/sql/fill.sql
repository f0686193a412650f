/* Stores one slice as one block, so that its token says whether it is stored. */
INSERT INTO {target} ({columns})
SELECT {columns}
FROM
(
{query}
)
WHERE {which}
SETTINGS
    additional_table_filters = {filters},
    insert_deduplication_token = {token},
    insert_deduplicate = 1,
    deduplicate_insert = 'enable',
    deduplicate_blocks_in_dependent_materialized_views = 1,
    materialized_views_ignore_errors = 0,
    async_insert = 0,
    max_insert_threads = 1,
    max_block_size = 1048576,
    max_insert_block_size = 1048576,
    min_insert_block_size_rows = 1000000000000,
    min_insert_block_size_bytes = 1000000000000000,
    throw_on_max_partitions_per_insert_block = 0
