/* A few rows of one relation, as text. */
SELECT {columns}
FROM {relation}
LIMIT {limit:UInt32}
