/* Records at the positions of a replay: as dead letters, and as good ones. */
SELECT
    _batch AS batch,
    countIf(_error != '') AS dead,
    countIf(_error = '') AS good,
    toString(sumIf({hash}, _error = '')) AS fingerprint
FROM {bronze}
WHERE {letters}
GROUP BY batch
SETTINGS max_query_size = {long}
