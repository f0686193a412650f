/* Columns and parts that the engine is still rewriting. */
SELECT database, table, command, latest_fail_reason AS reason
FROM system.mutations
WHERE has([{databases}], database) AND NOT is_done AND NOT is_killed
