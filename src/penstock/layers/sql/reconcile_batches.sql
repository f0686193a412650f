/* Rows of some batches where they are: bronze, good and bad, and the 1:1 silver. */
SELECT batch, sum(rows) AS rows, sum(good) AS good, sum(silver) AS silver
FROM
(
    SELECT _batch AS batch, count() AS rows, countIf(_error = '') AS good, 0 AS silver
    FROM {bronze} WHERE _source = {source:String} AND {which}
    GROUP BY batch
    UNION ALL
    SELECT _batch, 0, 0, count()
    FROM {silver} WHERE _source = {source:String} AND {which}
    GROUP BY _batch
)
GROUP BY batch
ORDER BY batch
