/*
description: Every record of {source} as it was sent, with the place it came from; nothing is refused here.
*/

-- The fields are those of {seen} of {file}.
--
-- `doc` is the record, parsed once, each field as text: so a field that is absent (NULL) is told from
-- one that cannot be used, and no value is changed before silver gives it its type.
--
-- `_error` is '' for a good row, else a word for the kind of fault and, where it helps, the value:
--   tombstone, empty, too_large, not_utf8, not_json, not_object
--each required
--   {name}_missing, {name}_value ({said})
--end
--each timed
--   {name}_missing, {name}_unparsable ({said})
--   {name}_range (over {years} years ago, or after tomorrow, counted from the row's arrival)
--end
--each optional
--   {name}_value ({said})
--end
CREATE TABLE IF NOT EXISTS {bronze}
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

    doc {spread}
        MATERIALIZED JSONExtract(_raw, '{doc}')
        CODEC(LZ4), -- read once, by silver: not worth more work at each insert

    _error String MATERIALIZED ifNull(multiIf(
        _null, 'tombstone',
        match(_raw, '^\\s*$'), 'empty',
        length(_raw) > 1048576, concat('too_large: ', toString(length(_raw)), ' bytes'),
        NOT isValidUTF8(_raw), 'not_utf8',
        NOT isValidJSON(_raw), 'not_json',
        JSONType(_raw) != 'Object', concat('not_object: ', toString(JSONType(_raw))),

        --each required
        ifNull({text}, '') = '', '{name}_missing',
        {unusable}, concat('{name}_value: ', leftUTF8({text}, 64)),
        --end
        --each timed
        ifNull({text}, '') = '', '{name}_missing',
        {unusable}, concat('{name}_unparsable: ', leftUTF8({text}, 64)),
        NOT {value} BETWEEN _ingested_at - INTERVAL {years} YEAR AND _ingested_at + INTERVAL 1 DAY,
            concat('{name}_range: ', leftUTF8({text}, 64)),
        --end
        --each optional
        {text} IS NOT NULL AND {unusable}, concat('{name}_value: ', leftUTF8({text}, 64)),
        --end
        ''), 'unknown')
)
ENGINE = MergeTree
PARTITION BY toDate(_ingested_at)
ORDER BY (_source, _part, _pos)
TTL toDateTime(_ingested_at) + INTERVAL 7 DAY -- by arrival: records of past years survive being loaded
SETTINGS
    auto_statistics_types = '', -- nobody filters bronze by them, and they cost 5 to 7 % of an insert
    non_replicated_deduplication_window = {window}, -- so that a batch tried again within an hour is known
    fsync_after_insert = 1;
