/* A few rows of one relation that came with the newest batches, the last ones first, as text. */
SELECT {columns}
FROM {relation}
WHERE _batch >= {batch:UInt64} AND _ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
ORDER BY _batch DESC, _ingested_at DESC
LIMIT {limit:UInt32}
