/*
description: Every reading as its device sent it, with the place it came from; nothing is refused here.
*/

-- `doc` is the record, parsed once. Numbers are read as Float64, because JSON knows no other number
-- and because an integer type would take 1.5 for 1 in silence and a Decimal throws where a value does
-- not fit. Of a key given twice the first one counts. A number in quotes ("21.5") is read as a number.
--
-- `_error` is '' for a good row, else a word for the kind of fault and, where it helps, the value:
--   tombstone, empty, too_large, not_utf8, not_json, not_object
--   home_id_missing, home_id_type (not a whole number), home_id_range (outside 0 to 4294967295)
--   ts_missing, ts_unparsable (30 February, 25:00, no time of day), ts_range
--   region_value (not a text, or over 64 bytes)
--   temperature_value, energy_value, voltage_value, vibration_value: there, not null, and not a number
--   below 999,999 in size
-- not_json is also said of numbers beyond a double (1e400), of NaN, and of nesting over 1,024 deep.
-- A ts is a date with a time of day (without a zone: UTC), or seconds or milliseconds since 1970.
-- ts_range is a time before 30 years ago or after tomorrow, counted from the row's arrival. The real
-- data beside this project begins in December 2006, and loads unshifted in later years too: with 20
-- years it would be refused from December 2026 on.
CREATE TABLE IF NOT EXISTS raw_sensors
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
        home_id     Nullable(Float64),
        ts          Nullable(String),
        region      Nullable(String),
        temperature Nullable(Float64),
        energy      Nullable(Float64),
        voltage     Nullable(Float64),
        vibration   Nullable(Float64))
        MATERIALIZED JSONExtract(_raw, 'Tuple(home_id Nullable(Float64), ts Nullable(String), region Nullable(String), temperature Nullable(Float64), energy Nullable(Float64), voltage Nullable(Float64), vibration Nullable(Float64))')
        CODEC(LZ4), -- ZSTD makes 13 bytes of its 19, but the insert a quarter slower

    -- Two looks. The first and cheap one is the last argument of the outer arrayMap: no element for a
    -- row whose every field is sound or not named at all. Only the rest is looked at again, as text,
    -- which tells absent from unusable; a lambda over no elements runs for no rows.
    -- What reads _raw stands first in it: once a row is out, all the others' _raw would be copied.
    _error String MATERIALIZED arrayMap(
        record -> arrayMap(
            text -> ifNull(multiIf(
                _null, 'tombstone',
                match(record, '^\\s*$'), 'empty',
                length(record) > 1048576, concat('too_large: ', toString(length(record)), ' bytes'),
                NOT isValidUTF8(record), 'not_utf8',
                NOT isValidJSON(record), 'not_json',
                JSONType(record) != 'Object', concat('not_object: ', toString(JSONType(record))),

                text.home_id IS NULL, 'home_id_missing',
                text.home_id IN ('true', 'false') OR ifNull(floor(doc.home_id) != doc.home_id, true),
                    concat('home_id_type: ', leftUTF8(text.home_id, 64)),
                NOT doc.home_id BETWEEN 0 AND 4294967295,
                    concat('home_id_range: ', leftUTF8(text.home_id, 64)),

                text.ts IS NULL, 'ts_missing',
                NOT match(text.ts, '^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9].*|[0-9]{10}|[0-9]{13})$')
                    OR parseDateTime64BestEffortOrNull(doc.ts, 3, 'UTC') IS NULL,
                    concat('ts_unparsable: ', leftUTF8(text.ts, 64)),
                NOT parseDateTime64BestEffortOrNull(doc.ts, 3, 'UTC')
                    BETWEEN _ingested_at - INTERVAL 10957 DAY AND _ingested_at + INTERVAL 1 DAY,
                    concat('ts_range: ', leftUTF8(text.ts, 64)),

                text.region IN ('true', 'false') OR match(text.region, '^[{[]') OR length(text.region) > 64,
                    concat('region_value: ', leftUTF8(text.region, 64)),

                text.temperature IS NOT NULL
                    AND (text.temperature IN ('true', 'false') OR NOT ifNull(abs(doc.temperature) < 999999, false)),
                    concat('temperature_value: ', leftUTF8(text.temperature, 64)),
                text.energy IS NOT NULL
                    AND (text.energy IN ('true', 'false') OR NOT ifNull(abs(doc.energy) < 999999, false)),
                    concat('energy_value: ', leftUTF8(text.energy, 64)),
                text.voltage IS NOT NULL
                    AND (text.voltage IN ('true', 'false') OR NOT ifNull(abs(doc.voltage) < 999999, false)),
                    concat('voltage_value: ', leftUTF8(text.voltage, 64)),
                text.vibration IS NOT NULL
                    AND (text.vibration IN ('true', 'false') OR NOT ifNull(abs(doc.vibration) < 999999, false)),
                    concat('vibration_value: ', leftUTF8(text.vibration, 64)),
                ''), 'unknown'),
            [JSONExtract(record, 'Tuple(home_id Nullable(String), ts Nullable(String), region Nullable(String), temperature Nullable(String), energy Nullable(String), voltage Nullable(String), vibration Nullable(String))')])[1],
        arrayWithConstant(NOT ifNull(
            NOT _null AND startsWith(_raw, '{"') AND length(_raw) <= 1048576
            -- true and false would be read as 1 and 0, and \u can hide a key
            AND position(_raw, 'true') = 0 AND position(_raw, 'false') = 0 AND position(_raw, '\\u') = 0
            AND doc.home_id BETWEEN 0 AND 4294967295 AND floor(doc.home_id) = doc.home_id
            AND substring(doc.ts, 5, 1) = '-' AND substring(doc.ts, 11, 3) BETWEEN 'T00' AND 'T23'
            AND parseDateTime64BestEffortOrNull(doc.ts, 3, 'UTC')
                BETWEEN _ingested_at - INTERVAL 10957 DAY AND _ingested_at + INTERVAL 1 DAY
            AND ((length(doc.region) <= 64 AND substring(doc.region, 1, 1) NOT IN ('{', '['))
                OR (doc.region IS NULL AND position(_raw, '"region"') = 0))
            AND (abs(doc.temperature) < 999999 OR (doc.temperature IS NULL AND position(_raw, '"temperature"') = 0))
            AND (abs(doc.energy) < 999999 OR (doc.energy IS NULL AND position(_raw, '"energy"') = 0))
            AND (abs(doc.voltage) < 999999 OR (doc.voltage IS NULL AND position(_raw, '"voltage"') = 0))
            AND (abs(doc.vibration) < 999999 OR (doc.vibration IS NULL AND position(_raw, '"vibration"') = 0)),
            false), _raw))[1]
)
ENGINE = MergeTree
PARTITION BY toDate(_ingested_at)
ORDER BY (_source, _part, _pos)
TTL toDateTime(_ingested_at) + INTERVAL 7 DAY
SETTINGS
    auto_statistics_types = '', -- nobody filters bronze by them, and they cost 5 to 7 % of an insert
    non_replicated_deduplication_window = 50000, -- 4 inserts a second for an hour, 3 partitions each
    fsync_after_insert = 1;
