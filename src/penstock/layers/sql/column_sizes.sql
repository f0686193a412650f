/* What rewriting a column rewrites: its own files where a part keeps columns apart, else the part. */
SELECT
    database,
    table,
    column AS name,
    sum(if(part_type = 'Wide', column_data_compressed_bytes, bytes_on_disk)) AS bytes
FROM system.parts_columns
WHERE has([{databases}], database) AND active
GROUP BY database, table, column
