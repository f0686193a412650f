/* The newest record of a source that is good and not long. */
SELECT _raw AS raw
FROM {bronze}
WHERE _source = {source:String} AND _error = '' AND length(_raw) < 2000
ORDER BY _source DESC, _part DESC, _pos DESC
LIMIT 1
