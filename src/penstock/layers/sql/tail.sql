/* Rows of some batches: the last ones, in the order in which the batches were closed. */
SELECT * EXCEPT (_closed)
FROM
(
    SELECT {columns}, indexOf({batches:Array(UInt64)}, _batch) AS _closed
    FROM {relation}
    WHERE _batch IN {batches:Array(UInt64)}
    ORDER BY {newest}
    LIMIT {limit:UInt64}
)
ORDER BY {oldest}
