/* What a backfill made for a relation whose file is gone; views first. */
SELECT name
FROM system.tables
WHERE database = {database:String}
  AND (name IN ({relation:String} || '__next', {relation:String} || '__seen', {relation:String} || '__was')
       OR endsWith(name, '__next')
          AND position(create_table_query, ' TO ' || {database:String} || '.' || {relation:String} || '__next ') > 0)
ORDER BY engine != 'MaterializedView', name
