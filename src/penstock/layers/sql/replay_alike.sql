/* Dead letters that would be deleted. */
SELECT count() AS rows
FROM {bronze}
WHERE {dead}
SETTINGS max_query_size = {long}
