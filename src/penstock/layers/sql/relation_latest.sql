/* A few rows of one relation with the latest times in a column, as text. */
SELECT {columns}
FROM {relation}
ORDER BY {time} DESC
LIMIT {limit:UInt32}
