-- Statements of the kinds that ClickHouse documents, one file of a project for each block that
-- starts with «-- file:». `test_plan.py` applies all and asks for a second plan: it must be empty.

-- file: bronze/events
CREATE TABLE events (id UInt64, at DateTime('UTC'), kind LowCardinality(String), value Float64, tags Array(String), body String)
ENGINE = MergeTree ORDER BY (kind, id);

-- Engines
-- file: silver/e_plain
CREATE TABLE e_plain (a UInt64) ENGINE = MergeTree() ORDER BY a;
-- file: silver/e_unsorted
CREATE TABLE e_unsorted (a UInt64) ENGINE = MergeTree ORDER BY tuple();
-- file: silver/e_replacing
CREATE TABLE IF NOT EXISTS e_replacing (a UInt64, b String) ENGINE = ReplacingMergeTree ORDER BY a;
-- file: silver/e_replacing_version
CREATE TABLE e_replacing_version (a UInt64, v UInt32) ENGINE = ReplacingMergeTree(v) ORDER BY (a);
-- file: silver/e_replacing_deleted
CREATE TABLE e_replacing_deleted (a UInt64, v UInt32, gone UInt8) ENGINE = ReplacingMergeTree(v, gone) ORDER BY a;
-- file: silver/e_summing
CREATE TABLE e_summing (a UInt64, n UInt64, m Float64) ENGINE = SummingMergeTree ORDER BY a;
-- file: silver/e_summing_columns
CREATE TABLE e_summing_columns (a UInt64, n UInt64, m Float64) ENGINE = SummingMergeTree((n, m)) ORDER BY a;
-- file: silver/e_aggregating
CREATE TABLE e_aggregating (a UInt64, n AggregateFunction(uniq, String), m SimpleAggregateFunction(max, Float64), q AggregateFunction(quantiles(0.5, 0.9), Float64)) ENGINE = AggregatingMergeTree ORDER BY a;
-- file: silver/e_collapsing
CREATE TABLE e_collapsing (a UInt64, n UInt64, sign Int8) ENGINE = CollapsingMergeTree(sign) ORDER BY a;
-- file: silver/e_versioned
CREATE TABLE e_versioned (a UInt64, sign Int8, v UInt8) ENGINE = VersionedCollapsingMergeTree(sign, v) ORDER BY a;

-- Types
-- file: silver/t_numbers
CREATE TABLE t_numbers (a UInt8, b UInt16, c UInt32, d UInt64, e UInt128, f UInt256, g Int8, h Int16, i Int32, j Int64, k Int128, l Int256, m Float32, n Float64, o BFloat16, p Bool, q INT, r BIGINT, s DOUBLE) ENGINE = MergeTree ORDER BY a;
-- file: silver/t_decimals
CREATE TABLE t_decimals (a Decimal(9, 2), b Decimal32(4), c Decimal64(6), d Decimal128(10), e Decimal256(20), f Decimal(18), g NUMERIC(10, 3)) ENGINE = MergeTree ORDER BY tuple();
-- file: silver/t_texts
CREATE TABLE t_texts (a String, b FixedString(16), c UUID, d IPv4, e IPv6, f VARCHAR(255), g TEXT) ENGINE = MergeTree ORDER BY a;
-- file: silver/t_times
CREATE TABLE t_times (a Date, b Date32, c DateTime, d DateTime('Europe/Berlin'), e DateTime64(3), f DateTime64(9, 'UTC'), g TIMESTAMP) ENGINE = MergeTree ORDER BY a;
-- file: silver/t_enums
CREATE TABLE t_enums (a Enum('x', 'y'), b Enum8('it''s' = -1, 'b' = 2), c Enum16('a' = 1000), d Nullable(Enum8('n' = 0))) ENGINE = MergeTree ORDER BY a;
-- file: silver/t_wrapped
CREATE TABLE t_wrapped (a LowCardinality(String), b LowCardinality(Nullable(String)), c Nullable(UInt8), d UInt8 NULL, e String NOT NULL) ENGINE = MergeTree ORDER BY a;
-- file: silver/t_nested
CREATE TABLE t_nested (a Array(Array(UInt8)), b Map(String, Array(UInt64)), c Tuple(UInt8, String), d Tuple(x UInt8, y Tuple(z Nullable(String))), n Nested(k String, v UInt64)) ENGINE = MergeTree ORDER BY tuple();
-- file: silver/t_dynamic
CREATE TABLE t_dynamic (a JSON, b Array(JSON), c Variant(UInt64, String), d Dynamic, e Dynamic(max_types = 8)) ENGINE = MergeTree ORDER BY tuple();
-- file: silver/t_places
CREATE TABLE t_places (a Point, b Ring, c Polygon, d MultiPolygon, e LineString) ENGINE = MergeTree ORDER BY tuple();
-- file: silver/t_odd_names
CREATE TABLE t_odd_names (`select` UInt8, `two words` String, `from` DateTime, "quoted" UInt8, `ünï` String, `TTL` UInt8 DEFAULT 3) ENGINE = MergeTree ORDER BY (`select`, `two words`);

-- Codecs
-- file: silver/c_codecs
CREATE TABLE c_codecs (a UInt64 CODEC(Delta, LZ4), b UInt64 CODEC(DoubleDelta, ZSTD(3)), c Float64 CODEC(Gorilla), d Float32 CODEC(FPC(12)), e UInt32 CODEC(T64('bit'), LZ4HC(9)), f String CODEC(NONE), g UInt64 CODEC(GCD, Default), h DateTime CODEC(Delta(4), LZ4)) ENGINE = MergeTree ORDER BY a;
-- file: silver/c_encrypted_not
CREATE TABLE c_encrypted_not (a String CODEC(ZSTD), b Array(UInt64) CODEC(Delta(8), ZSTD(1))) ENGINE = MergeTree ORDER BY a;

-- Defaults
-- file: silver/d_default
CREATE TABLE d_default (a UInt64, b UInt64 DEFAULT a * 2, c DEFAULT toDate('2026-01-01'), d String DEFAULT concat('x', toString(a)), e UInt8 DEFAULT 7) ENGINE = MergeTree ORDER BY a;
-- file: silver/d_materialized
CREATE TABLE d_materialized (a String, b UInt64 MATERIALIZED length(a), c MATERIALIZED JSONExtract(a, 'Tuple(x Nullable(UInt8), y String)')) ENGINE = MergeTree ORDER BY a;
-- file: silver/d_alias
CREATE TABLE d_alias (a UInt64, b UInt64 ALIAS a + 1, c ALIAS b * 2) ENGINE = MergeTree ORDER BY a;
-- file: silver/d_ephemeral
CREATE TABLE d_ephemeral (a UInt64, raw String EPHEMERAL, typed Nullable(UInt32) DEFAULT toUInt32OrNull(raw), other UInt8 EPHEMERAL 5) ENGINE = MergeTree ORDER BY a;

-- TTLs
-- file: silver/l_rows
CREATE TABLE l_rows (a UInt64, at DateTime) ENGINE = MergeTree ORDER BY a TTL at + INTERVAL 30 DAY;
-- file: silver/l_where
CREATE TABLE l_where (a UInt64, at DateTime) ENGINE = MergeTree ORDER BY a TTL at + INTERVAL 1 MONTH DELETE WHERE a % 2 = 0, at + INTERVAL 1 YEAR;
-- file: silver/l_columns
CREATE TABLE l_columns (a UInt64, at DateTime, b String TTL at + INTERVAL 1 DAY, c UInt64 DEFAULT 3 COMMENT 'soon gone' CODEC(ZSTD(1)) TTL at + toIntervalHour(2)) ENGINE = MergeTree ORDER BY a;
-- file: silver/l_rolled
CREATE TABLE l_rolled (a UInt64, at DateTime, n UInt64) ENGINE = MergeTree ORDER BY (a, at) TTL at + INTERVAL 1 MONTH GROUP BY a SET n = sum(n), at = max(at);
-- file: silver/l_recompressed
CREATE TABLE l_recompressed (a UInt64, at DateTime) ENGINE = MergeTree ORDER BY a TTL at + INTERVAL 1 WEEK RECOMPRESS CODEC(ZSTD(12)), at + INTERVAL 2 WEEK DELETE;

-- Indices, projections, constraints, statistics
-- file: silver/i_all
CREATE TABLE i_all (a UInt64, b String, c Array(String), INDEX one a TYPE minmax, INDEX two b TYPE set(100) GRANULARITY 4, INDEX three (a, b) TYPE bloom_filter(0.01) GRANULARITY 2, INDEX four b TYPE ngrambf_v1(3, 256, 2, 0) GRANULARITY 1, INDEX five lower(b) TYPE tokenbf_v1(256, 2, 0) GRANULARITY 1, INDEX six c TYPE bloom_filter) ENGINE = MergeTree ORDER BY a;
-- file: silver/i_text
CREATE TABLE i_text (a UInt64, b String, INDEX words b TYPE text(tokenizer = 'splitByNonAlpha')) ENGINE = MergeTree ORDER BY a;
-- file: silver/p_aggregate
CREATE TABLE p_aggregate (a UInt64, b String, n UInt64, PROJECTION by_b (SELECT b, sum(n), count() GROUP BY b)) ENGINE = MergeTree ORDER BY a;
-- file: silver/p_sorted
CREATE TABLE p_sorted (a UInt64, b String, PROJECTION other_order (SELECT * ORDER BY b), PROJECTION few (SELECT b, a ORDER BY b, a)) ENGINE = MergeTree ORDER BY a;
-- file: silver/k_constraints
CREATE TABLE k_constraints (a UInt64, b String, CONSTRAINT positive CHECK a > 0, CONSTRAINT known CHECK b IN ('x', 'y'), CONSTRAINT assumed ASSUME length(b) = 1) ENGINE = MergeTree ORDER BY a;
-- file: silver/s_statistics
CREATE TABLE s_statistics (a UInt64 STATISTICS(tdigest, uniq), b String STATISTICS(uniq) CODEC(ZSTD(2))) ENGINE = MergeTree ORDER BY a;

-- Keys
-- file: silver/k_month
CREATE TABLE k_month (a UInt64, at DateTime) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY (a, at);
-- file: silver/k_tuple
CREATE TABLE k_tuple (a UInt64, at DateTime, r LowCardinality(String)) ENGINE = MergeTree PARTITION BY (toDate(at), a % 4) ORDER BY (r, toStartOfHour(at), a);
-- file: silver/k_primary
CREATE TABLE k_primary (a UInt64, b UInt64, c UInt64) ENGINE = MergeTree ORDER BY (a, b, c) PRIMARY KEY (a, b);
-- file: silver/k_column
CREATE TABLE k_column (a UInt64 PRIMARY KEY, b String) ENGINE = MergeTree;
-- file: silver/k_sample
CREATE TABLE k_sample (a UInt64, b UInt64) ENGINE = MergeTree ORDER BY (a, intHash32(b)) SAMPLE BY intHash32(b);
-- file: silver/k_expression
CREATE TABLE k_expression (a UInt64, b String) ENGINE = MergeTree ORDER BY (cityHash64(b) % 16, a) SETTINGS index_granularity = 256;
-- file: silver/k_descending
CREATE TABLE k_descending (a UInt64, at DateTime) ENGINE = MergeTree ORDER BY (a, at DESC) SETTINGS allow_experimental_reverse_key = 1;

-- Settings and comments
-- file: silver/s_settings
CREATE TABLE s_settings (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS index_granularity = 4096, non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1, min_bytes_for_wide_part = 0, merge_with_ttl_timeout = 3600, parts_to_throw_insert = 500, storage_policy = 'default', enable_mixed_granularity_parts = true, max_suspicious_broken_parts = 5, min_age_to_force_merge_seconds = 120;
-- file: silver/s_comments
CREATE TABLE s_comments (a UInt64 COMMENT 'it''s a "key"', b String DEFAULT 'x' COMMENT 'back\\slash' CODEC(ZSTD(1))) ENGINE = MergeTree ORDER BY a COMMENT 'one table; with a semicolon, an apostrophe'' and\nlines';
-- file: silver/s_column_settings
CREATE TABLE s_column_settings (a UInt64, b String SETTINGS (min_compress_block_size = 16777216, max_compress_block_size = 16777216)) ENGINE = MergeTree ORDER BY a;

-- Materialized views
-- file: silver/readings
CREATE TABLE readings (id UInt64, at DateTime('UTC'), value Float64) ENGINE = MergeTree ORDER BY id;
CREATE MATERIALIZED VIEW readings_mv TO readings AS SELECT id, at, value FROM events WHERE kind = 'reading';
-- file: gold/g_summed
CREATE TABLE g_summed (id UInt64, n UInt64, total Float64) ENGINE = SummingMergeTree ORDER BY id;
CREATE MATERIALIZED VIEW g_summed_mv TO g_summed AS SELECT id, count() AS n, sum(value) AS total FROM readings GROUP BY id;
-- file: gold/g_states
CREATE TABLE g_states (hour DateTime('UTC'), avg AggregateFunction(avg, Float64), top AggregateFunction(argMax, UInt64, Float64)) ENGINE = AggregatingMergeTree ORDER BY hour;
CREATE MATERIALIZED VIEW g_states_mv TO g_states AS WITH toStartOfHour(at) AS h SELECT h AS hour, avgState(value) AS avg, argMaxState(id, value) AS top FROM readings GROUP BY h;
-- file: gold/g_nested
CREATE TABLE g_nested (id UInt64, best Float64) ENGINE = ReplacingMergeTree ORDER BY id;
CREATE MATERIALIZED VIEW g_nested_mv TO g_nested AS SELECT id, max(v) AS best FROM (SELECT id, value * 2 AS v FROM readings WHERE value BETWEEN 0 AND 10) GROUP BY id HAVING best > 1;
-- file: silver/tagged
CREATE TABLE tagged (id UInt64, tag String) ENGINE = MergeTree ORDER BY (tag, id);
CREATE MATERIALIZED VIEW tagged_mv TO tagged AS SELECT id, tag FROM events ARRAY JOIN tags AS tag;
-- file: gold/g_cases
CREATE TABLE g_cases (id UInt64, class String, when DateTime('UTC')) ENGINE = MergeTree ORDER BY id;
CREATE MATERIALIZED VIEW IF NOT EXISTS g_cases_mv TO g_cases (id UInt64, class String, when DateTime('UTC')) AS SELECT id, CASE WHEN value > 10 THEN 'high' WHEN value IS NULL THEN 'none' ELSE 'low' END AS class, at AS when FROM readings;

-- Views
-- file: gold/v_plain
CREATE VIEW v_plain AS SELECT * FROM g_summed;
-- file: gold/v_replace
CREATE OR REPLACE VIEW v_replace AS SELECT id, total / n AS mean FROM v_plain ORDER BY mean DESC LIMIT 10;
-- file: gold/v_columns
CREATE VIEW v_columns (id UInt64, best Float64) AS SELECT id, best FROM g_nested FINAL;
-- file: gold/v_union
CREATE VIEW v_union AS SELECT id FROM g_summed UNION ALL SELECT id FROM g_nested UNION DISTINCT SELECT id FROM readings;
-- file: gold/v_window
CREATE VIEW v_window AS SELECT id, at, value, avg(value) OVER (PARTITION BY id ORDER BY at ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS smooth, row_number() OVER w AS no FROM readings WINDOW w AS (PARTITION BY id ORDER BY at DESC);
-- file: gold/v_joined
CREATE VIEW v_joined AS WITH recent AS (SELECT id, max(at) AS last FROM readings GROUP BY id) SELECT s.id, s.n, r.last FROM g_summed AS s LEFT JOIN recent AS r USING (id) ASOF LEFT JOIN readings AS x ON x.id = s.id AND x.at <= r.last;
-- file: gold/v_parameters
CREATE VIEW v_parameters AS SELECT * FROM readings WHERE id = {id:UInt64} AND at >= {since:DateTime('UTC')};
-- file: gold/v_lambda
CREATE VIEW v_lambda AS SELECT id, arrayMap(x -> (x, x * 2), groupArray(value)) AS pairs, arraySlice(groupArray(value), 1, 3) AS first, CAST(id, 'String') AS s, id::Int64 AS i, tuple(1, 'a').2 AS t, INTERVAL 1 DAY AS d FROM readings GROUP BY id WITH ROLLUP;

-- Dictionaries
-- file: silver/names
CREATE TABLE names (id UInt64, name String, parent UInt64, prefix String, since Date, until Date) ENGINE = MergeTree ORDER BY id;
-- file: gold/d_flat
CREATE DICTIONARY d_flat (id UInt64, name String DEFAULT '') PRIMARY KEY id SOURCE(CLICKHOUSE(TABLE 'names')) LIFETIME(300) LAYOUT(FLAT());
-- file: gold/d_hashed
CREATE DICTIONARY d_hashed (id UInt64, name String, parent UInt64 HIERARCHICAL) PRIMARY KEY id SOURCE(CLICKHOUSE(TABLE 'names')) LIFETIME(MIN 60 MAX 120) LAYOUT(HASHED()) COMMENT 'who is who';
-- file: gold/d_range
CREATE DICTIONARY d_range (id UInt64, since Date, until Date, name String) PRIMARY KEY id SOURCE(CLICKHOUSE(TABLE 'names')) LIFETIME(0) LAYOUT(RANGE_HASHED(range_lookup_strategy 'max')) RANGE(MIN since MAX until);
-- file: gold/d_tries
CREATE DICTIONARY d_tries (prefix String, name String) PRIMARY KEY prefix SOURCE(CLICKHOUSE(TABLE 'names')) LIFETIME(3600) LAYOUT(IP_TRIE());
-- file: gold/d_complex
CREATE DICTIONARY d_complex (name String, prefix String, id UInt64) PRIMARY KEY name, prefix SOURCE(CLICKHOUSE(TABLE 'names')) LIFETIME(MIN 0 MAX 1000) LAYOUT(COMPLEX_KEY_HASHED(SHARDS 2));
