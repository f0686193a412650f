/* Picks a source's dead letters after a position; of closed batches, and none that may go by age. */
_source = {source:String} AND _error != '' AND startsWith(_error, {reason:String})
AND (_part, _pos) > ({part:UInt32}, {pos:Int64})
AND _batch <= {upto:UInt64} AND NOT has({open:Array(UInt64)}, _batch)
AND _ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
