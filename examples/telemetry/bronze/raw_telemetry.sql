/*
description: Every message of the topic as it was produced, with its key, headers and time; nothing is refused here.
*/

-- `doc` is the record, parsed once, each field as text: so a field that is absent (NULL) is told from
-- one that cannot be used, and no value is changed before silver gives it its type.
--
-- `_error` is '' for a good row, else a word for the kind of fault and, where it helps, the value:
--   tombstone, empty, too_large, not_utf8, not_json, not_object
--   device_id_missing, device_id_value (over 64 bytes)
--   timestamp_missing, timestamp_unparsable (no date with a time of day (without a zone: UTC), nor s or ms since 1970)
--   timestamp_range (over 20 years ago, or after tomorrow, counted from the row's arrival)
--   user_id_value (over 64 bytes)
--   energy_watts_missing, energy_watts_value (no number below 999,999,999 in size)
CREATE TABLE IF NOT EXISTS raw_telemetry
(
    _source      LowCardinality(String),
    _part        UInt32,
    _pos         UInt64 CODEC(Delta, ZSTD(1)),
    _batch       UInt64 CODEC(Delta, ZSTD(1)),
    _key         String,
    _headers     Map(LowCardinality(String), String),
    _sent_at     Nullable(DateTime64(3, 'UTC')),
    _ingested_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _null        Bool,
    _raw         String CODEC(ZSTD(1)),

    doc Tuple(
        device_id Nullable(String),
        user_id Nullable(String),
        energy_watts Nullable(String),
        timestamp Nullable(String))
        MATERIALIZED JSONExtract(_raw, 'Tuple(device_id Nullable(String), user_id Nullable(String), energy_watts Nullable(String), timestamp Nullable(String))')
        CODEC(LZ4), -- read once, by silver: not worth more work at each insert

    _error String MATERIALIZED ifNull(multiIf(
        _null, 'tombstone',
        match(_raw, '^\\s*$'), 'empty',
        length(_raw) > 1048576, concat('too_large: ', toString(length(_raw)), ' bytes'),
        NOT isValidUTF8(_raw), 'not_utf8',
        NOT isValidJSON(_raw), 'not_json',
        JSONType(_raw) != 'Object', concat('not_object: ', toString(JSONType(_raw))),

        ifNull(doc.device_id, '') = '', 'device_id_missing',
        length(doc.device_id) > 64, concat('device_id_value: ', leftUTF8(doc.device_id, 64)),
        ifNull(doc.timestamp, '') = '', 'timestamp_missing',
        NOT match(doc.timestamp, '^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9].*|[0-9]{10}|[0-9]{13})$')
            OR parseDateTime64BestEffortOrNull(doc.timestamp, 3, 'UTC') IS NULL, concat('timestamp_unparsable: ', leftUTF8(doc.timestamp, 64)),
        NOT parseDateTime64BestEffortOrNull(doc.timestamp, 3, 'UTC') BETWEEN _ingested_at - INTERVAL 20 YEAR AND _ingested_at + INTERVAL 1 DAY,
            concat('timestamp_range: ', leftUTF8(doc.timestamp, 64)),
        doc.user_id IS NOT NULL AND length(doc.user_id) > 64, concat('user_id_value: ', leftUTF8(doc.user_id, 64)),
        ifNull(doc.energy_watts, '') = '', 'energy_watts_missing',
        NOT ifNull(abs(toFloat64OrNull(doc.energy_watts)) < 999999999, false), concat('energy_watts_value: ', leftUTF8(doc.energy_watts, 64)),
        ''), 'unknown')
)
ENGINE = MergeTree
PARTITION BY toDate(_ingested_at)
ORDER BY (_source, _part, _pos)
TTL toDateTime(_ingested_at) + INTERVAL 7 DAY -- by arrival: records of past years survive being loaded
SETTINGS
    auto_statistics_types = '', -- nobody filters bronze by them, and they cost 5 to 7 % of an insert
    non_replicated_deduplication_window = 50000, -- so that a batch tried again within an hour is known
    fsync_after_insert = 1;
