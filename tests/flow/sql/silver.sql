/* Batches in which silver is not what its own view says of bronze, row by row. */
SELECT
    _batch AS batch,
    toUInt64(sumIf(wanted - held, wanted > held)) AS lost,
    toUInt64(sumIf(held - wanted, held > wanted)) AS doubled
FROM
(
    SELECT _batch, row, sum(wanted) AS wanted, sum(held) AS held
    FROM
    (
        SELECT _batch, toString(tuple({columns})) AS row, 1 AS wanted, 0 AS held FROM ({view})
        UNION ALL
        SELECT _batch, toString(tuple({columns})), 0, 1 FROM {silver}
    )
    GROUP BY _batch, row
)
GROUP BY batch
HAVING lost + doubled > 0
ORDER BY batch
