/* The first key of a gold table at which a conserved value is not what its views give. */
SELECT {names} AS _place
FROM
(
    SELECT {key} AS _key, {value} AS _amount, true AS _held FROM {gold} GROUP BY _key
    UNION ALL
    SELECT {key}, {value}, false FROM ({views}) GROUP BY {key}
)
GROUP BY _key
HAVING {differs}
ORDER BY _key
LIMIT 1
