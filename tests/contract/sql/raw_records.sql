/* A batch a record, so that silver says which record its row is of. */
INSERT INTO raw_sensors (_source, _part, _pos, _batch, _ingested_at, _null, _raw)
SELECT 'readings', 0, pos, pos, toDateTime64('2026-11-21 14:40:00', 3, 'UTC'), false, raw
FROM file('{file}', 'RowBinary', 'pos UInt64, raw String')
