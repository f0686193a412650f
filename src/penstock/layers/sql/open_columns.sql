SELECT database, table, name, type, comment, is_in_sorting_key AS sorted
FROM system.columns
WHERE database IN {databases:Array(String)}
ORDER BY database, table, position
