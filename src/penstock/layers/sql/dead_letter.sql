/* One dead letter, whole. */
SELECT _source AS source, _part AS part, _pos AS pos, _batch AS batch, _error AS reason,
       toString(_ingested_at) AS ingested_at, _raw AS raw
FROM {bronze}
WHERE _source = {source:String} AND _part = {part:UInt32} AND _pos = {pos:UInt64} AND _error != ''
