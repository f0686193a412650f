/* One reading of home 1, straight into silver. */
INSERT INTO readings (ts, home_id, energy, _source, _batch, _ingested_at)
SELECT toDateTime64('{ts}', 3, 'UTC'), 1, {energy}, 'readings', {batch}, toDateTime64('{arrived}', 3, 'UTC')
