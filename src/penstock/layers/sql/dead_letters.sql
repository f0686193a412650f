/* The newest dead letters of one bronze table, all or those of a source and a beginning of the reason;
   raw records cut for show. */
SELECT _source AS source, _part AS part, _pos AS pos, _error AS reason,
       toUnixTimestamp64Milli(_ingested_at) AS ingested_ms,
       substringUTF8(toValidUTF8(_raw), 1, {width:UInt32}) AS raw
FROM {bronze}
WHERE _ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC') AND _error != ''
  AND ({source:String} = '' OR _source = {source:String}) AND startsWith(_error, {reason:String})
ORDER BY _ingested_at DESC, _part DESC, _pos DESC
LIMIT {limit:UInt32}
