import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { hashOf, placeOf } from '../src/lib/sql/address.ts';
import { cellOf } from '../src/lib/sql/cell.ts';
import { wordsAt, type Catalogue } from '../src/lib/sql/completion.ts';
import { asCurl, asPython, asSql, quoted } from '../src/lib/sql/copies.ts';
import { drawingOf, instantOf, NO_WISH, type Drawing } from '../src/lib/sql/drawing.ts';
import { examplesOf, statementOf } from '../src/lib/sql/examples.ts';
import { kindOf, shortType } from '../src/lib/sql/kinds.ts';
import { withStatement } from '../src/lib/sql/past.ts';
import { estimatesOf, planOf } from '../src/lib/sql/plan.ts';
import { ROW_PX, widthsOf, windowOf } from '../src/lib/sql/rows.ts';
import { bare, paramsOf } from '../src/lib/sql/scan.ts';
import { MOST_ROWS, read } from '../src/lib/sql/service.ts';
import type { Answer, Relation } from '../src/lib/sql/types.ts';

const column = (name: string, type: string, comment = '', sorted = false) => ({ name, type, comment, sorted });
const READINGS: Relation = {
	database: 'homes', domain: 'homes', name: 'readings', stage: 'silver', kind: 'table', description: 'Every good reading.',
	columns: [column('ts', "DateTime64(3, 'UTC')", '', true), column('home_id', 'UInt32'), column('energy', 'Nullable(Decimal(9, 3))', 'Wh'), column('_batch', 'UInt64')]
};
const MINUTE: Relation = {
	database: 'homes', domain: 'homes', name: 'city_minute', stage: 'gold', kind: 'table', description: 'Each minute.',
	columns: [column('minute', 'DateTime'), column('rows', 'SimpleAggregateFunction(sum, UInt64)'), column('p', 'AggregateFunction(quantiles(0.5, 0.9), Float64)')]
};
const CATALOGUE: Catalogue = { relations: [READINGS, MINUTE], functions: [{ name: 'quantile', form: 'quantile(level)(x)', aggregates: true }], database: 'homes' };
const answer = (columns: [string, string][], rows: unknown[][]): Answer => ({
	columns: columns.map(([name, type]) => ({ name, type })), rows, cut: false, readRows: 0, readBytes: 0, seconds: 0
});

test('NULL, an empty text and numbers of any size are told apart and whole', () => {
	assert.deepEqual(cellOf(null, 'Nullable(String)'), { text: 'NULL', look: 'void' });
	assert.deepEqual(cellOf('', 'String'), { text: 'empty', look: 'void' });
	assert.deepEqual(cellOf('NULL', 'String'), { text: 'NULL', look: 'text' });
	assert.deepEqual(cellOf('18446744073709551615', 'UInt64'), { text: '18446744073709551615', look: 'number' });
	assert.deepEqual(cellOf('1.10', 'LowCardinality(Nullable(Decimal(9, 2)))'), { text: '1.10', look: 'number' });
	assert.deepEqual(cellOf('nan', 'Float64'), { text: 'nan', look: 'number' });
	assert.equal(cellOf('\u0001', 'AggregateFunction(avg, UInt8)').look, 'void');
});

test('what is nested is written as ClickHouse writes it', () => {
	assert.equal(cellOf(['1', '2'], 'Array(UInt64)').text, '[1, 2]');
	assert.equal(cellOf(["it's", null, ''], 'Array(Nullable(String))').text, "['it\\'s', NULL, '']");
	assert.equal(cellOf({ a: '1', b: ['x'] }, 'Tuple(a UInt64, b Array(LowCardinality(String)))').text, "(a: 1, b: ['x'])");
	assert.equal(cellOf([1, 'x'], 'Tuple(UInt8, Enum8(\'x, y\' = 1))').text, "(1, 'x')");
	assert.equal(cellOf({ k: 1.5 }, 'Map(String, Float64)').text, "{'k': 1.5}");
	assert.equal(kindOf('SimpleAggregateFunction(max, Nullable(Int8))').name, 'Int8');
	assert.equal(shortType('SimpleAggregateFunction(sum, Decimal(38, 3))'), 'Decimal(38, 3), a sum');
	assert.equal(shortType('AggregateFunction(quantiles(0.5, 0.9), LowCardinality(String))'), 'state of quantiles');
	assert.equal(shortType("DateTime64(3, 'UTC')"), "DateTime64(3, 'UTC')");
});

test('the address has the statement and gives it back', () => {
	const place = { sql: "SELECT 'é' + 1 & 2 # \n FROM t", database: 'homes', view: 'chart' as const, params: { n: '1,2', 'ü': '' } };
	assert.deepEqual(placeOf(hashOf(place)), place);
	assert.deepEqual(placeOf('', '?q=SELECT+1&db=x').sql, 'SELECT 1');
	assert.equal(hashOf({ ...place, sql: ' ' }), '');
	assert.equal(placeOf('#view=nonsense').view, 'table');
});

test('parameters are those outside of texts and comments', () => {
	const sql = "SELECT {a:UInt8}, '{b:String}', -- {c:X}\n /* {d:Y} */ { e : Array(String) }, {a:UInt8}, 'it''s {f:Z}'";
	assert.deepEqual(paramsOf(sql), [{ name: 'a', type: 'UInt8' }, { name: 'e', type: 'Array(String)' }]);
	assert.equal(bare(sql).length, sql.length);
});

test('a shell and Python get exactly the text that was typed', () => {
	const sql = "SELECT 'it''s', \"a\", `b`, $HOME, \\ -- ü 😀\n, '!'";
	const asked = { sql: `${sql};\n`, database: 'homes', params: { s: "a'b\tc" } };
	const curl = asCurl(asked, 'http://127.0.0.1:8123');
	const words = execFileSync('sh', ['-c', curl.replace(/^curl/, 'printf "%s\\0"')]).toString().split('\0');
	assert.equal(words.at(-2), sql);
	assert.match(words[1] ?? '', /^http:\/\/127\.0\.0\.1:8123\/\?default_format=CSVWithNames&database=homes&param_s=a%27b%5Ctc$/);
	assert.equal(quoted("'"), `''\\'''`);
	const python = asPython(asked, 'https://db.example');
	assert.match(python, /host="db\.example", port=443, secure=True, database="homes"/);
	assert.match(python, /parameters=\{"s":"a'b\\tc"\}/);
	assert.ok(asSql(asked).endsWith(`${sql};\n`));
});

test('a table of sums is added up, a view is read as it is', () => {
	assert.equal(
		statementOf(MINUTE),
		'SELECT\n    minute,\n    sum(rows) AS rows,\n    quantilesMerge(0.5, 0.9)(p) AS p\nFROM city_minute\nGROUP BY minute\nORDER BY minute DESC\nLIMIT 100'
	);
	assert.equal(statementOf({ ...MINUTE, kind: 'view' }).includes('GROUP BY'), false);
	assert.equal(statementOf(READINGS), 'SELECT\n    ts,\n    home_id,\n    energy\nFROM readings\nORDER BY ts DESC\nLIMIT 100');
	assert.deepEqual(examplesOf([READINGS, MINUTE]).map(({ title }) => title), ['city_minute', 'readings']);
});

const labels = (before: string, after = '') => wordsAt(before, before + after, CATALOGUE)?.words.map(({ label }) => label) ?? [];

test('completion knows what may come next', () => {
	assert.deepEqual(labels('SELECT * FROM ').slice(0, 3), ['readings', 'city_minute', 'homes']);
	assert.deepEqual(labels('SELECT r.', ' FROM homes.readings AS r'), ['ts', 'home_id', 'energy', '_batch']);
	assert.deepEqual(labels('SELECT * FROM homes.'), ['readings', 'city_minute']);
	const words = wordsAt('SELECT en', 'SELECT en FROM readings', CATALOGUE);
	assert.equal(words?.from, 7);
	assert.deepEqual(words.words.find(({ label }) => label === 'energy'), { label: 'energy', apply: 'energy', kind: 'column', detail: 'Decimal(9, 3)?', about: 'Wh', boost: 6 });
	assert.ok(words.words.some(({ label, apply }) => label === 'quantile' && apply === 'quantile('));
	assert.ok(!labels('SELECT 1 WHERE ').includes('energy'), 'no table, no columns');
	assert.deepEqual(labels("SELECT 'rea"), [], 'inside a text');
	assert.deepEqual(labels('SELECT 1 -- rea'), [], 'inside a comment');
});

test('a time goes across and a text beside it makes lines', () => {
	const rows = [['2026-01-02 00:00:00', 'north', '3'], ['2026-01-01 00:00:00', 'north', '1.5'], ['2026-01-01 00:00:00', 'south', null]];
	const { spec, title, sentence } = drawingOf(answer([['t', 'DateTime'], ['region', 'String'], ['kw', 'Float64']], rows), NO_WISH) as Drawing;
	assert.equal(spec.kind, 'line');
	assert.equal(title, 'kw by region');
	assert.deepEqual(spec.x, [instantOf('2026-01-01'), instantOf('2026-01-02 00:00:00')]);
	assert.deepEqual(spec.series, [{ name: 'north', values: [1.5, 3] }, { name: 'south', values: [null, null] }]);
	assert.equal(sentence, '2 points across t, from 1.50 to 3.00');
});

test('the number of something is no height', () => {
	const rows = [['2026-01-01', 7, 1.5], ['2026-01-01', 8, 2.5]];
	const { spec, title } = drawingOf(answer([['day', 'Date'], ['home_id', 'UInt32'], ['kw', 'Float64']], rows), NO_WISH) as Drawing;
	assert.equal(title, 'kw by home_id');
	assert.deepEqual(spec.series.map(({ name }) => name), ['7', '8']);
	const twice = drawingOf(answer([['day', 'Date'], ['home_id', 'UInt32'], ['kw', 'Float64']], [...rows, ['2026-01-01', 8, 9]]), NO_WISH) as Drawing;
	assert.match(twice.sentence, /several rows of one place/);
});

test('texts without a time are bars, and wishes are heeded', () => {
	const rows = [['a', 1, 10], ['b', 2, 20]];
	const named = answer([['who', 'String'], ['n', 'UInt8'], ['m', 'UInt8']], rows);
	const { spec } = drawingOf(named, NO_WISH) as Drawing;
	assert.deepEqual([spec.kind, spec.series.length, spec.formatX(1)], ['columns', 2, 'b']);
	const ring = drawingOf(named, { ...NO_WISH, drawn: 'n', kind: 'pie' }) as Drawing;
	assert.equal(ring.spec.kind, 'pie');
	const wished = drawingOf(named, { across: 'n', drawn: 'm', split: '-', kind: 'line' }) as Drawing;
	assert.deepEqual([wished.spec.x, wished.spec.series], [[1, 2], [{ name: 'm', values: [10, 20] }]]);
	assert.match(String(drawingOf(answer([['a', 'String'], ['b', 'String']], [['x', 'y']]), NO_WISH)), /no column of numbers/);
	assert.match(String(drawingOf(answer([['a', 'UInt8']], []), NO_WISH)), /no row/);
});

test('only rows in sight are drawn', () => {
	assert.deepEqual(windowOf(0, 280, 10_000), [0, 22]);
	assert.deepEqual(windowOf(ROW_PX * 5_000, 280, 10_000), [4_988, 5_022]);
	assert.deepEqual(windowOf(ROW_PX * 9_990, 280, 10_000), [9_978, 10_000]);
	assert.deepEqual(windowOf(999_999, 280, 3), [2, 3]);
	const [narrow, wide] = widthsOf(answer([['n', 'UInt8'], ['s', 'String']], [[1, 'x'.repeat(900)]]));
	assert.deepEqual([narrow, wide], [64, 380]);
});

test('an answer that is as long as it may be is taken for cut', () => {
	const sent = (rows: number) => read({ meta: [], data: [], rows });
	assert.equal(sent(MOST_ROWS - 1).cut, false);
	assert.equal(sent(MOST_ROWS).cut, true);
});

test('a plan becomes steps with what its indexes leave', () => {
	const document = [{ Plan: { 'Node Type': 'Expression', Description: '(Project names + (Projection + Before GROUP BY))', Plans: [{ 'Node Type': 'ReadFromMergeTree', Indexes: [{ Type: 'PrimaryKey', Keys: ['x'], Condition: 'true', 'Initial Parts': 2, 'Selected Parts': 1, 'Initial Granules': 24, 'Selected Granules': 3 }] }] } }];
	const [step] = planOf(answer([['explain', 'String']], JSON.stringify(document, null, 1).split('\n').map((line) => [line])));
	assert.equal(step?.about, 'Before GROUP BY');
	assert.equal(step.steps[0]?.name, 'Read from MergeTree');
	assert.deepEqual(step.steps[0].indexes[0], { kind: 'Primary key', keys: 'x', condition: 'true', parts: [1, 2], granules: [3, 24] });
	assert.deepEqual(estimatesOf(answer([], [['homes', 'readings', 3, '24576', 3]])), [{ table: 'homes.readings', parts: 3, rows: 24576, marks: 3 }]);
});

test('what is run again comes to the front of the list', () => {
	const one = { sql: 'a', database: 'x', at: 1 };
	const past = withStatement(withStatement([one], { sql: 'b', database: 'x', at: 2 }), { ...one, at: 3 });
	assert.deepEqual(past.map(({ sql, at }) => [sql, at]), [['a', 3], ['b', 2]]);
});
