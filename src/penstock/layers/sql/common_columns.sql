/* The columns that tables and views have in common and that an INSERT may name, in order. */
SELECT name, min(position) AS place
FROM system.columns
WHERE database = {database:String} AND has({tables:Array(String)}, table)
  AND default_kind NOT IN ('MATERIALIZED', 'ALIAS', 'EPHEMERAL')
GROUP BY name
HAVING count() = length({tables:Array(String)})
ORDER BY place, name
