/* Keys of one gold table whose merged states differ from its own view over all of silver. */
SELECT key, max(silver) AS wanted, max(gold) AS held
FROM
(
    SELECT toString({key}) AS key, toString(tuple({values})) AS silver, '' AS gold FROM ({view})
    UNION ALL
    SELECT toString({key}), '', toString(tuple({values})) FROM {gold} FINAL
)
GROUP BY key
HAVING wanted != held
ORDER BY key
