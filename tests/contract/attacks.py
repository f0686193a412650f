"""What analysts and models must not get through: statements, and ways to disguise each of them.

To be had: `hidden.t`, a table nobody granted, its dictionary `hidden.d`, the function `peek` that
reads a file, the file itself, and all that the engine's own tables and functions tell. Granted is
the database homes. Words in braces are filled in by the tests; doubled braces stay as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.corpus import STATEMENTS

from penstock.project import lexer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Tables that nobody granted.
TABLES = [
    "SELECT * FROM hidden.t",
    "SELECT s FROM `hidden`.`t`",
    'SELECT s FROM "hidden"."t"',
    "SELECT s FROM hidden . t",
    "SELECT s FROM hidden/**/./**/t",
    "SELECT hidden.t.s FROM hidden.t",
    "FROM hidden.t SELECT s",
    "SELECT s FROM hidden.t FINAL",
    "SELECT s FROM hidden.t AS readings",
    "SELECT any(s) FROM hidden.t PREWHERE 1 WHERE 1",
    "SELECT * FROM (SELECT * FROM hidden.t)",
    "SELECT t.s FROM homes.home_latest AS l, hidden.t AS t LIMIT 1",
    "SELECT t.s FROM home_latest AS l LEFT JOIN hidden.t AS t ON 1 LIMIT 1",
    "SELECT t.s FROM (home_latest AS l CROSS JOIN hidden.t AS t) LIMIT 1",
    "SELECT (SELECT s FROM hidden.t LIMIT 1)",
    "SELECT groupArray(s) FROM hidden.t",
    "SELECT 1 UNION ALL SELECT length(s) FROM hidden.t",
    "SELECT s FROM hidden.t INTERSECT SELECT s FROM hidden.t",
    "SELECT 'x' EXCEPT SELECT s FROM hidden.t",
    "SELECT x FROM (SELECT 1) ARRAY JOIN (SELECT groupArray(s) FROM hidden.t) AS x",
    "SELECT arrayMap(x -> (SELECT any(s) FROM hidden.t), [1])",
    "SELECT max(length((SELECT any(s) FROM hidden.t))) OVER ()",
    "SELECT 1 AS x ORDER BY (SELECT any(s) FROM hidden.t)",
    "SELECT 1 LIMIT (SELECT count() FROM hidden.t)",
    "SELECT 1 AS x ORDER BY x WITH FILL FROM 0 TO (SELECT toUInt8(count()) FROM hidden.t)",
    "WITH t AS (SELECT 1) SELECT * FROM hidden.t",
    "WITH hidden AS (SELECT 1 AS t) SELECT * FROM hidden.t",
    "WITH t AS (SELECT * FROM hidden.t) SELECT * FROM t",
    "WITH t AS (SELECT * FROM hidden.t), u AS (SELECT * FROM t) SELECT * FROM u",
    "WITH `hidden.t` AS (SELECT 1 AS s) SELECT * FROM hidden.t",
    "WITH RECURSIVE t AS (SELECT s FROM hidden.t UNION ALL SELECT s FROM t WHERE 0) FROM t",
    "WITH (SELECT any(s) FROM hidden.t) AS s SELECT s",
    "SELECT * FROM `hidden.t`",
    "SELECT * FROM 'hidden.t'",
    "SELECT t.s FROM home_latest AS hidden, hidden.t AS t LIMIT 1",
    "SELECT 'guess' IN hidden.t",
    "SELECT 'guess' IN (hidden.t)",
    "SELECT 'guess' NOT IN hidden.t",
    "SELECT 'guess' GLOBAL IN hidden.t",
    "SELECT in('guess', hidden.t), `in`('guess', hidden.t)",
    "SELECT notIn('guess', hidden.t), globalIn('guess', hidden.t)",
    "SELECT nullIn('guess', hidden.t), notNullIn('guess', hidden.t)",
    "SELECT inIgnoreSet('guess', hidden.t), globalNullInIgnoreSet('guess', hidden.t)",
    "SELECT 'guess' IN (SELECT s FROM hidden.t)",
    "SELECT 'guess' = ANY (SELECT s FROM hidden.t)",
    "SELECT EXISTS (SELECT 1 FROM hidden.t)",
    "SELECT x IN hidden.t FROM (SELECT 'x' AS x) AS hidden",
    "SELECT arrayFilter(x -> x IN hidden.t, ['guess'])",
    "SELECT count() FROM hidden.t",
    "TABLE hidden.t",
    "SELECT * FROM merge('hidden', '.*')",
    "SELECT * FROM merge(REGEXP('hid.*'), 't')",
    "SELECT * FROM `merge`('hidden', 't')",
    "SELECT * FROM view(SELECT * FROM hidden.t)",
    "SELECT * FROM viewIfPermitted(SELECT s FROM hidden.t ELSE null('s String'))",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM hidden.t))",
    "SELECT * FROM loop(hidden.t) LIMIT 1",
    "SELECT * FROM loop('hidden', 't') LIMIT 1",
    "SELECT * FROM remote('127.0.0.1', hidden.t)",
    "SELECT * FROM cluster('default', hidden.t)",
    "SELECT * FROM clusterAllReplicas('default', 'hidden', 't')",
    "SELECT * FROM dictionary('hidden.d')",
    "SELECT * FROM hidden.d",
    "SELECT dictGet('hidden.d', 's', toUInt64(1))",
    "SELECT dictGetString('hidden.d', 's', toUInt64(1))",
    "SELECT dictGetOrDefault('hidden.d', 's', toUInt64(1), '')",
    "SELECT dictGetOrNull(concat('hidden', '.d'), 's', toUInt64(1))",
    "SELECT arrayMap(x -> dictGet('hidden.d', 's', x), [toUInt64(1)])",
    "SELECT dictHas('hidden.d', toUInt64(1))",
    "SELECT assignCentroid([1.], 'hidden.d')",
    "SELECT joinGet('hidden.t', 's', 1)",
    "SELECT hasColumnInTable('hidden', 't', 's')",
    "SELECT * FROM mergeTreeIndex('hidden', 't')",
    "SELECT * FROM mergeTreeIndex(hidden, t)",
    "SELECT * FROM mergeTreeProjection('hidden', 't', 'p')",
    "SELECT * FROM mergeTreeAnalyzeIndexes('hidden', 't')",
    "SELECT * FROM fuzzQuery('SELECT * FROM hidden.t')",
    "SELECT * FROM eval('SELECT * FROM hidden.t')",
    "SELECT * FROM hidden.v",
    "SELECT * FROM hidden.v(s = 1)",
    "SELECT * FROM {{d:Identifier}}.t",
    "SELECT * FROM hidden.{{t:Identifier}}",
    "SELECT * FROM {{h:Identifier}}",
    "SELECT 'guess' IN {{h:Identifier}}",
    "SELECT {{c:Identifier}} FROM readings LIMIT 1",
    "SELECT * FROM {{ h : Identifier }}",
    "SELECT * FROM hidden.t AS x (y)",
    "SELECT * FROM canary.t",
    "SELECT a FROM canary.t UNION ALL SELECT 1",
    "SELECT count() FROM homes.readings, canary.t",
    "SELECT * FROM homes.raw_sensors LIMIT 1",
    "SELECT count() FROM raw_sensors",
    "SELECT * FROM homes.readings_mv LIMIT 1",
    "SELECT * FROM HOMES.readings LIMIT 1",
    "SELECT * FROM homes.READINGS LIMIT 1",
    "SELECT * FROM readings.homes",
    "SELECT * FROM homes.readings.ts",
    "SELECT * FROM system.tables",
    "SELECT * FROM `system`.`one`",
    "SELECT * FROM system.columns WHERE database = 'hidden'",
    "SELECT name FROM system.functions LIMIT 1",
    "SELECT * FROM system.numbers LIMIT 1",
    "SELECT * FROM system.query_log",
    "SELECT 1 IN system.one",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM INFORMATION_SCHEMA.COLUMNS",
    "SELECT * FROM default.canary",
    "SELECT * FROM default.`{file}`",
    "SELECT * FROM `{file}`",
    "SELECT * FROM _staging.x",
    "SELECT * FROM _nothing.x",
    "SELECT * FROM _table_function.numbers",
    "SELECT * FROM numbers",
    "SELECT * FROM one",
]
# Unqualified names where the caller's own database is `hidden`, and scopes that might confuse.
ELSEWHERE = [
    "SELECT * FROM t",
    "SELECT s FROM `t`",
    "SELECT 'guess' IN t",
    "SELECT 'guess' IN (t)",
    "SELECT x FROM (SELECT 'guess' AS x) WHERE x IN t",
    "WITH t AS (SELECT * FROM t) SELECT * FROM t",
    "WITH t AS (SELECT 1 AS s), u AS (WITH t AS (SELECT * FROM t) SELECT * FROM t) SELECT * FROM v",
    "SELECT * FROM (WITH t AS (SELECT 'a' AS s) SELECT s FROM t) AS a, t",
    "SELECT (WITH t AS (SELECT 1) SELECT * FROM t) AS a, s FROM t",
    "SELECT 'guess' IN t FROM (WITH t AS (SELECT 1 AS y) SELECT * FROM t)",
    "SELECT s FROM t UNION ALL (WITH t AS (SELECT 'a' AS s) SELECT s FROM t)",
    "SELECT 1 AS t, s FROM t",
    "SELECT t.s FROM t",
    "SELECT t.* FROM t",
    "SELECT * FROM (SELECT 1 AS x) AS t, t AS u",
    "SELECT * FROM (SELECT 1) AS a JOIN t ON 1",
    "WITH RECURSIVE u AS (SELECT s FROM t UNION ALL SELECT s FROM u WHERE 0) SELECT * FROM u",
    "SELECT dictGet('d', 's', toUInt64(1))",
    "SELECT * FROM d",
    "SELECT * FROM v",
]
# Ways to call what may not be called.
CALLS = [
    "SELECT peek('{file}')",
    "SELECT arrayMap(peek, ['{file}'])",
    "SELECT arrayMap(`peek`, ['{file}'])",
    "SELECT arrayMap((peek), materialize(['{file}']))",
    "SELECT arrayMap(x -> peek(x), ['{file}'])",
    "SELECT arrayMap(x -> arrayMap(file, [x]), ['{file}'])",
    "SELECT arrayMap(x -> arrayMap(peek, [x]), ['{file}'])",
    "SELECT arrayMap(\"file\", ['{file}'])",
    "SELECT arrayMap(`fi\\x6ce`, ['{file}'])",
    "SELECT arrayMap(`\\u0066ile`, ['{file}'])",
    "SELECT arraySort(x -> file(x), ['{file}'])",
    "SELECT arrayFold((a, x) -> concat(a, file('{file}')), [1], '')",
    "SELECT mapApply((k, v) -> (k, file('{file}')), map(1, ''))",
    "SELECT arrayFilter(x -> file('{file}') != '', [1])",
    "WITH x -> file(x) AS f SELECT f('{file}')",
    "WITH x -> peek(x) AS upper SELECT upper('{file}')",
    "WITH file AS f SELECT arrayMap(f, ['{file}'])",
    "WITH peek AS f SELECT arrayMap(f, ['{file}'])",
    "WITH peek AS lower SELECT arrayMap(peek, ['{file}'])",
    "WITH x -> x AS file SELECT file('{file}')",
    "WITH x -> x AS f SELECT (SELECT f('a'))",
    "SELECT file('{file}') OVER ()",
    "SELECT fileIf('{file}', 1)",
    "SELECT FILE('{file}'), File('{file}')",
    "SELECT count() FROM home_latest HAVING file('{file}') != ''",
    "SELECT 1 WHERE (file('{file}') AS x) = x",
    "SELECT 'x' || file('{file}')",
    "SELECT [file('{file}')], (file('{file}'), 1), map('a', file('{file}'))",
    "SELECT (file('{file}') AS f).1, f FROM (SELECT 1)",
    "SELECT CASE WHEN 1 THEN file('{file}') END",
    "SELECT 1 ? file('{file}') : ''",
    "SELECT if(1, file('{file}'), '')",
    "SELECT file('{file}')::String, CAST(file('{file}') AS String)",
    "SELECT 'x' IN ('y', file('{file}'))",
    "SELECT file('{file}') BETWEEN '' AND 'z'",
    "SELECT INTERVAL length(file('{file}')) DAY",
    "SELECT substring(file('{file}') FROM 1 FOR 20)",
    "SELECT quantile(0.5)(length(file('{file}')))",
    "SELECT quantile(length(file('{file}')) / 1000)(1)",
    "SELECT count() FILTER (WHERE file('{file}') != '')",
    "SELECT sum(1) OVER (ORDER BY file('{file}'))",
    "SELECT sum(1) OVER w WINDOW w AS (PARTITION BY file('{file}'))",
    "SELECT 1 AS x QUALIFY row_number() OVER (ORDER BY file('{file}')) = 1",
    "SELECT DISTINCT ON (file('{file}')) 1",
    "SELECT 1 LIMIT 1 BY file('{file}')",
    "SELECT 1 LIMIT length(file('{file}'))",
    "SELECT 1 AS x GROUP BY GROUPING SETS ((file('{file}')), ())",
    "SELECT 1 AS a, 'b' AS b ORDER BY a WITH FILL TO 3 INTERPOLATE (b AS file('{file}'))",
    "SELECT 1 AS a ORDER BY a WITH FILL TO length(file('{file}'))",
    "SELECT * FROM home_latest AS a JOIN home_latest AS b ON file('{file}') != ''",
    "SELECT x FROM (SELECT 1) ARRAY JOIN [file('{file}')] AS x",
    "SELECT a FROM values('a String', file('{file}'))",
    "SELECT * FROM values((file('{file}'), 1), ('a', 2))",
    "SELECT * FROM (VALUES (file('{file}'), 1))",
    "SELECT b FROM values('a String, b String ALIAS file(\\'{file}\\')', 'x')",
    "SELECT b FROM values('a String, b ALIAS(file(\\'{file}\\'))', 'x')",
    "SELECT b FROM values('a String, b String ALIAS peek(\\'{file}\\')', 'x')",
    "SELECT b FROM values('a String, b String alias\\tfile(\\'{file}\\')', 'x')",
    "SELECT b FROM values($$a String, b String ALIAS file('{file}')$$, 'x')",
    "SELECT b FROM values('a/**/String,b/**/ALIAS/**/file(\\'{file}\\')', 'x')",
    "SELECT b FROM values('a String, b/**/String/**/ALIAS/**/file(/**/\\'{file}\\')', 'x')",
    "SELECT b FROM values('a Decimal(9 --(\\n, 2), b String ALIAS file(\\'{file}\\') --)\\n', 1)",
    (
        "SELECT b FROM values('a Tuple(`(` UInt8), b String ALIAS file(\\'{file}\\'), "
        "c Tuple(`)` UInt8)', tuple(1), tuple(2))"
    ),
    "WITH 'a String, b String ALIAS file(\\'{file}\\')' AS s SELECT b FROM values(s, 'x')",
    "SELECT b FROM values({{s:String}}, 'x')",
    "SELECT * FROM numbers(length(file('{file}')))",
    "SELECT * FROM numbers((SELECT length(file('{file}'))))",
    "SELECT * FROM generateSeries(0, length(file('{file}')))",
    "WITH file('{file}') AS x SELECT x",
    "WITH t AS (SELECT file('{file}') AS x) SELECT x FROM t",
    "SELECT {{f:Identifier}}('{file}')",
    "SELECT arrayMap({{f:Identifier}}, ['{file}'])",
    "SELECT * APPLY(file) FROM (SELECT '{file}')",
    "SELECT * APPLY file FROM (SELECT '{file}')",
    "SELECT * APPLY(peek) FROM (SELECT '{file}')",
    "SELECT * APPLY(x -> peek(x)) FROM (SELECT '{file}')",
    "SELECT t.* APPLY(file) FROM (SELECT '{file}') AS t",
    "SELECT * REPLACE(file('{file}') AS a) FROM (SELECT 1 AS a)",
    "SELECT COLUMNS('a') APPLY(file) FROM (SELECT '{file}' AS a)",
    "SELECT * EXCEPT (b) APPLY(file) FROM (SELECT '{file}' AS a, 1 AS b)",
    "SELECT arrayReduce('flameGraph', [1])",
    "SELECT arrayReduce(concat('su', 'm'), [1])",
    "SELECT initializeAggregation('aggThrow', 1)",
    "SELECT formatRow('CSV', 1), formatRowNoNewline('CSV', 1)",
    "SELECT groupFormat('CSV')(home_id) FROM home_latest",
    "SELECT aiGenerate('say'), AIGenerate('say')",
    "SELECT sleep(1)",
    "SELECT sleepEachRow(0.1) FROM numbers(10)",
    "SELECT throwIf(1), throwIf(home_id) FROM home_latest",
    "SELECT aggThrow(0.5)(1)",
    "SELECT encrypt('aes-128-ecb', 'a', '1234567890123456')",
    "SELECT tryDecrypt('aes-128-ecb', 'a', '1234567890123456')",
    "SELECT generateSerialID('x')",
    "SELECT parseQueryToJSON('SELECT 1'), formatQuery('SELECT 1')",
    "SELECT formatQueryFromJSON('{{}}')",
    "SELECT structureToProtobufSchema('a UInt8')",
    "SELECT nope(1)",
    "SELECT `count`.`x`(1)",
]
# What the engine tells of itself.
TELLING = [
    f"SELECT {call}"
    for call in (
        "version()", "currentUser()", "user()", "USER()", "session_user()", "currentDatabase()",
        "DATABASE()", "SCHEMA()", "currentSchemas(true)", "hostName()", "hostname()", "FQDN()",
        "displayName()", "uptime()", "serverUUID()", "buildId()", "tcpPort()", "queryID()",
        "query_id()", "initialQueryID()", "currentQueryID()", "connectionID()", "connection_id()",
        "getSetting('max_threads')", "getSettingOrDefault('x', 1)", "getServerSetting('x')",
        "getMergeTreeSetting('index_granularity')", "getMacro('x')", "getServerPort('tcp_port')",
        "globalVariable('version')", "currentRoles()", "enabledRoles()", "defaultRoles()",
        "currentProfiles()", "authenticatedUser()", "shardNum()", "shardCount()",
        "getOSKernelVersion()", "showCertificate()", "zookeeperSessionUptime()", "transactionID()",
        "filesystemAvailable()", "filesystemCapacity()", "getClientHTTPHeader('Host')",
        "currentRequestURL()", "tid()", "revision()", "chdb()", "demangle('x')", "addressToLine(1)",
        "logTrace('x')", "regionToName(1)", "__actionName()", "_CAST(1, 'String')",
        "mergeTreePartInfo('all_1_1_0')", "hasThreadFuzzer()", "initialQueryStartTime()",
    )
]  # fmt: skip
# Clauses and statements that are no part of one SELECT.
CLAUSES = [
    "SELECT 1 FORMAT JSON",
    "SELECT 1 FORMAT Null",
    "SELECT 1 UNION ALL SELECT 2 FORMAT CSV",
    "SELECT 1 SETTINGS max_threads = 1",
    "SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 0)",
    "WITH t AS (SELECT 1 SETTINGS readonly = 0) SELECT * FROM t",
    "SELECT 1 SETTINGS readonly = 0 FORMAT CSV",
    "SELECT 1 FORMAT CSV SETTINGS max_threads = 1",
    "SELECT 1 UNION ALL SELECT 2 SETTINGS additional_table_filters = {{}}",
    "SELECT 1 UNION ALL SELECT file('{file}') INTO OUTFILE '{out}'",
    "SELECT 1 INTO OUTFILE '{out}' COMPRESSION 'zstd' LEVEL 3 FORMAT CSV",
    "SELECT count() FROM homes.readings STREAM",
    "SELECT COLUMNS('.*') FROM home_latest",
    "SELECT COLUMNS(home_id, readings) FROM home_latest",
    "SELECT home_latest.COLUMNS('home') FROM home_latest",
    "SELECT * APPLY(toString) FROM home_latest",
    "SELECT * APPLY(quantile(0.5)) FROM numbers(2)",
    "SELECT * REPLACE(1 AS number) FROM numbers(2)",
    "EXPLAIN SELECT 1",
    "EXPLAIN AST SELECT 1",
    "EXPLAIN ESTIMATE SELECT * FROM homes.readings",
    "DESCRIBE homes.readings",
    "DESC (SELECT 1)",
    "SHOW TABLES FROM homes",
    "SHOW DATABASES",
    "SHOW CREATE TABLE homes.readings",
    "SHOW COLUMNS FROM readings FROM homes",
    "SHOW SETTINGS LIKE '%'",
    "SHOW GRANTS",
    "SHOW PROCESSLIST",
    "EXISTS TABLE homes.readings",
    "WATCH homes.readings",
    "EXECUTE AS default SELECT 1",
    "SELECT * FROM (INSERT INTO canary.t VALUES (9, 'w'))",
    "SELECT 1; SELECT 2",
    "(",
    "SELECT",
    "SELECT * FROM numbers()",
    "SELECT * FROM numbers(1000000000)",
    "SELECT * FROM numbers(1e15)",
    "SELECT * FROM numbers(0, 1e15)",
    "SELECT * FROM numbers(toUInt64(10))",
    "SELECT * FROM numbers({{n:UInt64}})",
    "SELECT * FROM numbers_mt(10)",
    "SELECT * FROM zeros(1000000000)",
    "SELECT * FROM generateSeries(-1000000000, 10)",
    "SELECT * FROM generateSeries(0, 1e15)",
    "SELECT * FROM primes(3)",
    "SELECT * FROM generateRandom('a UInt8') LIMIT 1",
    "SELECT * FROM null('a UInt8')",
    "SELECT * FROM input('a UInt8')",
    "SELECT * FROM timeSeriesData('homes', 'readings')",
]

# Of the first tier's: all but the empty statement, which is answered with a greeting.
ATTACKS = [sql for sql in STATEMENTS if sql] + TABLES + CALLS + TELLING + CLAUSES

_KEYWORDS = {
    "SELECT", "FROM", "WHERE", "WITH", "AS", "IN", "NOT", "AND", "OR", "UNION", "ALL", "DISTINCT",
    "INTERSECT", "EXCEPT", "JOIN", "LEFT", "ON", "CROSS", "ORDER", "GROUP", "BY", "LIMIT",
    "HAVING", "SETTINGS", "FORMAT", "INTO", "OUTFILE", "APPLY", "REPLACE", "COLUMNS", "OVER",
    "PARTITION", "EXISTS", "FILL", "TO", "ARRAY", "PREWHERE", "QUALIFY", "WINDOW", "FINAL",
    "RECURSIVE", "ANY", "GLOBAL", "TABLE", "DROP", "INSERT", "EXPLAIN", "AST", "DESCRIBE", "SHOW",
    "CREATE", "VALUES", "CASE", "WHEN", "THEN", "END", "BETWEEN", "INTERVAL", "DAY", "FOR",
    "SETS", "GROUPING", "INTERPOLATE", "FILTER", "NULL", "TRUE", "FALSE", "SET", "KEY", "VIEW",
    "DATABASE", "DICTIONARY", "FUNCTION", "ENGINE", "ELSE", "REGEXP", "UPDATE", "DELETE", "ALTER",
    "SYSTEM", "KILL", "QUERY", "USE",
}  # fmt: skip


def _tokens(sql: str, change: Callable[[lexer.Token], str], glue: str = " ") -> str:
    """A statement written anew, token by token."""
    return glue.join(change(token) for token in lexer.code(sql))


def _quoted(mark: str) -> Callable[[lexer.Token], str]:
    def change(token: lexer.Token) -> str:
        name = token.kind == lexer.WORD and token.upper not in _KEYWORDS
        return f"{mark}{token.text}{mark}" if name else token.text

    return change


def _escaped(token: lexer.Token) -> str:
    if token.kind != lexer.WORD or token.upper in _KEYWORDS:
        return token.text
    return f"`\\x{ord(token.text[0]):02x}{token.text[1:]}`"


def _keywords(token: lexer.Token) -> str:
    if token.upper not in _KEYWORDS:
        return token.text
    return "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(token.text))


MUTATIONS: dict[str, Callable[[str], str]] = {
    "as it is": lambda sql: sql,
    "case": lambda sql: _tokens(sql, _keywords),
    "comments": lambda sql: _tokens(sql, lambda t: t.text, "/**/ /* SELECT 1 */"),
    "lines": lambda sql: _tokens(sql, lambda t: t.text, " -- SELECT 1\n"),
    "spaces": lambda sql: _tokens(sql, lambda t: t.text, "\u00a0\t\u2003"),
    "backticks": lambda sql: _tokens(sql, _quoted("`")),
    "quotes": lambda sql: _tokens(sql, _quoted('"')),
    "escapes": lambda sql: _tokens(sql, _escaped),
    "brackets": lambda sql: f"({sql})",
    "subquery": lambda sql: f"SELECT * FROM ({sql})",
    "scalar": lambda sql: f"SELECT ({sql}) AS x",
    "CTE": lambda sql: f"WITH q AS ({sql}) SELECT * FROM q",
    "named as granted": lambda sql: f"WITH readings AS ({sql}) SELECT * FROM readings",
    "alias": lambda sql: f"SELECT readings.* FROM ({sql}) AS readings",
    "lambda": lambda sql: f"SELECT arrayMap(x -> ({sql}), [1])",
    "WITH before": lambda sql: f"WITH 1 AS w {sql}",
    "union": lambda sql: f"SELECT '1' UNION ALL {sql}",
    "union first": lambda sql: f"{sql} UNION ALL SELECT '1'",
    "in": lambda sql: f"SELECT 1 IN ({sql})",
    "exists": lambda sql: f"SELECT count() FROM homes.home_latest WHERE EXISTS ({sql})",
    "join": lambda sql: f"SELECT * FROM homes.home_latest AS l CROSS JOIN ({sql}) AS r LIMIT 1",
    "explain": lambda sql: f"EXPLAIN {sql}",
    "describe": lambda sql: f"DESCRIBE ({sql})",
    "second": lambda sql: f"SELECT 1; {sql}",
    "first": lambda sql: f"{sql}; SELECT 1",
    "begun by a mark": lambda sql: f"\ufeff{sql}",
}
_EACH = 2  # disguises of each statement


def disguised() -> Iterator[tuple[str, list[str]]]:
    """Each attack with some of the ways to disguise it; over all of them every way is used."""
    ways = list(MUTATIONS)[1:]
    for place, sql in enumerate(ATTACKS):
        turn = [ways[(place * _EACH + step) % len(ways)] for step in range(_EACH)]
        yield sql, ["as it is", *turn]
