/* The newest time of a file's records, in epoch milliseconds. */
SELECT toUnixTimestamp64Milli(max(parseDateTime64BestEffort(ts, 3, 'UTC'))) AS last_ms
FROM ({select})
