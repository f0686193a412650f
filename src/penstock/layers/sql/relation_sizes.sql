/* Rows and bytes of every table of some databases, from what the engine knows without reading any. */
SELECT database, name, total_rows AS rows, total_bytes AS bytes
FROM system.tables
WHERE has({databases:Array(String)}, database) AND total_rows IS NOT NULL
