/* Columns of one relation, in order. */
SELECT name, type, default_kind AS kind, comment
FROM system.columns
WHERE database = {database:String} AND table = {table:String}
ORDER BY position
