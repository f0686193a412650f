/* Cuts one partition of a table into slices of whole batches. */
SELECT min(batch) AS first, max(batch) AS last, sum(rows) AS rows
FROM
(
    SELECT batch, rows, sum(rows) OVER (ORDER BY batch) - rows AS before
    FROM
    (
        SELECT _batch AS batch, count() AS rows
        FROM {source}
        WHERE _partition_id = {part} AND {which}
        GROUP BY batch
    )
)
GROUP BY intDiv(before, {size})
ORDER BY first
