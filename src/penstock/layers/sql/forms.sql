/* Everything of some databases in the engine's own normal form, with its size. */
SELECT
    database,
    name,
    engine,
    create_table_query AS created,
    as_select AS query,
    partition_key,
    sorting_key,
    primary_key,
    sampling_key,
    comment,
    ifNull(total_rows, 0) AS rows,
    ifNull(total_bytes, 0) AS bytes
FROM system.tables
WHERE has([{databases}], database) AND NOT is_temporary
ORDER BY database, name
