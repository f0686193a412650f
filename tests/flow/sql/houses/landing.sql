/* One of several interleaved batches of a file, with bronze's columns as landing writes them. */
INSERT INTO raw_sensors (_source, _part, _pos, _batch, _ingested_at, _null, _raw)
SELECT
    'readings', {part}, pos, {batch}, toDateTime64('2027-03-01 10:00:00', 3, 'UTC') + {nth}, false, line
FROM (SELECT line, rowNumberInAllBlocks() AS pos FROM file('{file}', 'LineAsString', 'line String'))
WHERE pos % {batches} = {nth}
SETTINGS max_threads = 1
