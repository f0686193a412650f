/* Dead letters of one bronze table, grouped by reason, details left out. */
SELECT _source AS source, splitByString(': ', _error)[1] AS reason, count() AS rows,
       toUnixTimestamp64Milli(min(_ingested_at)) AS first_ms,
       toUnixTimestamp64Milli(max(_ingested_at)) AS last_ms
FROM {bronze}
WHERE _error != ''
GROUP BY source, reason
ORDER BY rows DESC, source, reason
