/* The next dead letters of a source as bronze would judge them now: `_was` is what they are called. */
INSERT INTO {judged} ({columns}, _was)
SELECT {columns}, _error
FROM
(
    SELECT {columns}, _error, sum(length(_raw)) OVER (ORDER BY _part, _pos) - length(_raw) AS _before
    FROM {bronze}
    WHERE _source = {source:String} AND _error != '' AND startsWith(_error, {reason:String})
      AND (_part, _pos) > ({part:UInt32}, {pos:Int64})
      AND _batch <= {upto:UInt64} AND NOT has({open:Array(UInt64)}, _batch)
      AND _ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    ORDER BY _part, _pos
    LIMIT {rows:UInt64}
)
WHERE _before < {size:UInt64}
SETTINGS max_threads = 1
