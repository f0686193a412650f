/* Dead letters of one bronze table, grouped by reason. */
SELECT _source AS source, _error AS reason, count() AS rows,
       toUnixTimestamp64Milli(max(_ingested_at)) AS last_ms
FROM {bronze}
WHERE _error != ''
GROUP BY source, reason
ORDER BY rows DESC, reason
