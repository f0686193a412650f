/* The first dead letters within given ranges of positions of one source, and how many there are. */
SELECT _part AS part, _pos AS pos, _error AS reason, count() OVER () AS total
FROM {bronze}
WHERE _source = {source:String} AND ({ranges}) AND _error != ''
ORDER BY _part, _pos
LIMIT {limit:UInt32}
