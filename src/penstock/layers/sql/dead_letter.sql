/* One dead letter, whole. */
SELECT _source AS source, _part AS part, _pos AS pos, _batch AS batch, _error AS reason,
       toUnixTimestamp64Milli(_ingested_at) AS ingested_ms, toString(_ingested_at) AS ingested_at,
       if(isNull(_sent_at), NULL, toUnixTimestamp64Milli(assumeNotNull(_sent_at))) AS sent_ms,
       _key AS key, _headers AS headers, toValidUTF8(_raw) AS raw,
       if(isValidUTF8(_raw), '', base64Encode(_raw)) AS base64
FROM {bronze}
WHERE _source = {source:String} AND _part = {part:UInt32} AND _pos = {pos:UInt64} AND _error != ''
