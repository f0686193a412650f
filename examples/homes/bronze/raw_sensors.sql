/*
description: Every reading as its device sent it, with the place it came from; nothing is refused here.
*/
CREATE TABLE IF NOT EXISTS raw_sensors
(
    _source      LowCardinality(String),
    _part        UInt32,
    _pos         UInt64 CODEC(Delta, ZSTD),
    _batch       UInt64 CODEC(Delta, ZSTD),
    _key         String,
    _headers     Map(LowCardinality(String), String),
    _sent_at     Nullable(DateTime64(3, 'UTC')),
    _ingested_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
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
        CODEC(LZ4),

    _error String MATERIALIZED if(
        /* The short way: every field is there and sound; no second look at the record. */
        doc.home_id BETWEEN 0 AND 4294967295 AND floor(doc.home_id) = doc.home_id
            AND substring(doc.ts, 5, 1) = '-' AND substring(doc.ts, 11, 3) BETWEEN 'T00' AND 'T23'
            AND parseDateTime64BestEffortOrNull(doc.ts, 3, 'UTC')
                BETWEEN _ingested_at - INTERVAL 10957 DAY AND _ingested_at + INTERVAL 1 DAY
            AND abs(doc.temperature) < 1e6 AND abs(doc.energy) < 1e6
            AND abs(doc.voltage) < 1e6 AND abs(doc.vibration) < 1e6
            AND length(doc.region) <= 64
            AND startsWith(_raw, '{"') AND length(_raw) <= 1048576
            AND position(_raw, 'true') = 0 AND position(_raw, 'false') = 0,
        '',
        /* The long way: the same fields once more as text, to tell absent from unusable. */
        multiIf(
            length(_raw) > 1048576, concat('too_large: ', toString(length(_raw)), ' bytes'),
            match(_raw, '^\\s*$'), 'empty',
            NOT isValidUTF8(_raw), 'not_utf8',
            NOT isValidJSON(_raw), 'not_json',
            NOT match(_raw, '^(\xEF\xBB\xBF)?\\s*[{]'), 'not_object',
            (JSONExtract(_raw, 'Tuple(home_id Nullable(String), ts Nullable(String), region Nullable(String), temperature Nullable(String), energy Nullable(String), voltage Nullable(String), vibration Nullable(String))') AS text).home_id IS NULL, 'home_id_missing',
            text.home_id IN ('true', 'false') OR doc.home_id IS NULL OR floor(doc.home_id) != doc.home_id,
                concat('home_id_type: ', leftUTF8(text.home_id, 64)),
            NOT doc.home_id BETWEEN 0 AND 4294967295, concat('home_id_range: ', leftUTF8(text.home_id, 64)),
            text.ts IS NULL, 'ts_missing',
            NOT match(text.ts, '^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9].*|[0-9]{10}|[0-9]{13})$')
                OR parseDateTime64BestEffortOrNull(doc.ts, 3, 'UTC') IS NULL,
                concat('ts_unparsable: ', leftUTF8(text.ts, 64)),
            NOT parseDateTime64BestEffortOrNull(doc.ts, 3, 'UTC')
                BETWEEN _ingested_at - INTERVAL 10957 DAY AND _ingested_at + INTERVAL 1 DAY,
                concat('ts_range: ', leftUTF8(text.ts, 64)),
            match(text.region, '^[{\\[]') OR text.region IN ('true', 'false') OR length(text.region) > 64,
                concat('region_type: ', leftUTF8(text.region, 64)),
            text.temperature IS NOT NULL AND NOT ifNull(abs(doc.temperature) < 1e6 AND text.temperature NOT IN ('true', 'false'), false),
                concat('temperature_value: ', leftUTF8(text.temperature, 64)),
            text.energy IS NOT NULL AND NOT ifNull(abs(doc.energy) < 1e6 AND text.energy NOT IN ('true', 'false'), false),
                concat('energy_value: ', leftUTF8(text.energy, 64)),
            text.voltage IS NOT NULL AND NOT ifNull(abs(doc.voltage) < 1e6 AND text.voltage NOT IN ('true', 'false'), false),
                concat('voltage_value: ', leftUTF8(text.voltage, 64)),
            text.vibration IS NOT NULL AND NOT ifNull(abs(doc.vibration) < 1e6 AND text.vibration NOT IN ('true', 'false'), false),
                concat('vibration_value: ', leftUTF8(text.vibration, 64)),
            ''))
)
ENGINE = MergeTree
PARTITION BY toDate(_ingested_at)
ORDER BY (_source, _part, _pos)
TTL toDateTime(_ingested_at) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 50000, fsync_after_insert = 1, auto_statistics_types = '';
