/* The dead letters at some positions, each as one number: its batch and its place, never its part. */
SELECT max(_batch) AS newest, groupArray(_batch * {width} + _pos) AS keys
FROM {bronze}
WHERE {letters} AND _error != ''
SETTINGS max_query_size = {long}
