/* The views that a table feeds. */
SELECT database, name, as_select AS query
FROM system.tables
WHERE (database, name) IN
(
    SELECT arrayJoin(arrayZip(dependencies_database, dependencies_table))
    FROM system.tables
    WHERE database = {database:String} AND name = {bronze:String}
)
ORDER BY database, name
