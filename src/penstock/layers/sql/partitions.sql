/* The partitions of a table, with the rows that are in them. */
SELECT partition_id AS part, sum(rows) AS rows
FROM system.parts
WHERE database = {database:String} AND table = {table:String} AND active
GROUP BY part
ORDER BY part
