/* The judged dead letters that are good now, by part: their positions, and one sum over them all. */
SELECT
    _part AS part,
    arraySort(groupArray(_pos)) AS positions,
    sumMap(map(_batch, 1)) AS batches,
    toString(sum({hash})) AS fingerprint
FROM {judged}
WHERE _error = ''
GROUP BY part
ORDER BY part
