/* Counts one batch where it must be: in bronze, by its range, and in the 1:1 silver. */
SELECT bronze.rows AS rows, bronze.good AS good, silver.rows AS silver
FROM
(
    SELECT count() AS rows, countIf(_error = '') AS good
    FROM {bronze}
    WHERE _source = {source:String} AND _batch = {batch:UInt64}
      AND _part IN {parts:Array(UInt32)} AND _pos >= {first:UInt64}
) AS bronze
CROSS JOIN
(
    SELECT count() AS rows FROM {silver} WHERE _batch = {batch:UInt64}
) AS silver
