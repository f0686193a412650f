/* Cuts a table's rows into slices of whole batches, one partition after the other. */
SELECT part, min(batch) AS first, max(batch) AS last, sum(rows) AS rows
FROM
(
    SELECT part, batch, rows,
           sum(rows) OVER (PARTITION BY part ORDER BY batch) - rows AS before
    FROM
    (
        SELECT _partition_id AS part, _batch AS batch, count() AS rows
        FROM {source}
        WHERE {which}
        GROUP BY part, batch
    )
)
GROUP BY part, intDiv(before, {size})
ORDER BY part, first
