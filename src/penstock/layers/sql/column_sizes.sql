/* Bytes on disk of each column that holds any. */
SELECT database, table, name, data_compressed_bytes AS bytes
FROM system.columns
WHERE has([{databases}], database) AND data_compressed_bytes > 0
