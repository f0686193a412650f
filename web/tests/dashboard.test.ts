import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableOf } from '../src/lib/dashboard/cells.ts';
import { reserved } from '../src/lib/dashboard/reserve.ts';
import { sentenceOf } from '../src/lib/dashboard/sentence.ts';
import { shaped, specOf, timeOf } from '../src/lib/dashboard/shape.ts';
import { drawn, endsOf, follows, momentOf, spanName, wider } from '../src/lib/dashboard/span.ts';
import { tileOf, tilesOf, waitingFor } from '../src/lib/dashboard/tile.ts';
import type { Dashboard, Panel, Variable } from '../src/lib/dashboard/types.ts';

const NOW = Date.UTC(2026, 0, 31, 12);
const MINUTE = 60_000;

const panel = (changes: Partial<Panel> = {}): Panel => ({
	name: 'power', title: 'Power', description: '', kind: 'line', tile: 'homes/city/power', params: {}, spans: ['from', 'to', 'interval_s'],
	time: 'time', by: '', values: ['kw'], unit: 'kW', digits: 1, width: 6, low: null, high: null, warn: null, bad: null, stacked: false,
	...changes
});
const variable = (changes: Partial<Variable> = {}): Variable => ({ name: 'home', label: 'Home', kind: 'query', values: [], default: '', all: false, tile: 'homes/home/var-home', ...changes });
const iso = (minute: number) => new Date(NOW + minute * MINUTE).toISOString();
const HOUR_SPAN = { start: 'now-1h', end: 'now' };

test('a time is read as Grafana writes it', () => {
	assert.equal(momentOf('now', NOW), NOW);
	assert.equal(momentOf('now-15m', NOW), NOW - 15 * MINUTE);
	assert.equal(momentOf('1769860800000', NOW), 1769860800000);
	assert.equal(momentOf('2026-01-31T12:00:00Z', NOW), NOW);
	assert.equal(momentOf('2026-01-31T12:00:00', NOW), NOW);
	assert.equal(momentOf('soon', NOW), null);
});

test('a span has two ends in their order, or is none', () => {
	assert.deepEqual(endsOf(HOUR_SPAN, NOW), [NOW - 60 * MINUTE, NOW]);
	assert.equal(endsOf({ start: 'now', end: 'now-1h' }, NOW), null);
	assert.ok(follows(HOUR_SPAN) && !follows(drawn(NOW - MINUTE, NOW)));
	assert.deepEqual(drawn(1_000_400, 1_000_900), { start: '1000000', end: '1005000' });
	assert.deepEqual(endsOf(wider(HOUR_SPAN, NOW), NOW), [NOW - 90 * MINUTE, NOW]);
	assert.equal(spanName(HOUR_SPAN, NOW), 'last 1 hour');
	assert.equal(spanName({ start: 'now-90s', end: 'now' }, NOW), 'last 90s');
});

test('a tile is named by what is chosen, the span and the pace', () => {
	const one = panel({ params: { home_id: '$home', hours: '48' } });
	const view = { chosen: { home: '7 & 8' }, span: HOUR_SPAN, refresh: 5 };
	assert.equal(tileOf(one, view), 'homes/city/power?home_id=7%20%26%208&hours=48&from=now-1h&to=now#5s');
	assert.equal(tileOf(panel({ spans: [] }), { ...view, refresh: 0 }), 'homes/city/power');
	const still = { ...view, span: drawn(NOW - MINUTE, NOW) };
	assert.match(tileOf(one, still) ?? '', /#30s$/);
	assert.equal(tileOf(one, view, new Set(['home'])), null);
});

test('a panel waits for the first value that is offered', () => {
	const board = { variables: [variable()], rows: [{ title: '', height: 200, panels: [panel({ params: { home: '$home' } }), panel()] }] } as unknown as Dashboard;
	const waiting = waitingFor(board, { home: '' });
	assert.deepEqual([...waiting], ['home']);
	const view = { chosen: { home: '' }, span: HOUR_SPAN, refresh: 0 };
	assert.deepEqual(tilesOf(board, view, waiting), ['homes/home/var-home#10s', 'homes/city/power?from=now-1h&to=now']);
	assert.equal(waitingFor(board, { home: '7' }).size, 0);
	assert.equal(waitingFor({ ...board, variables: [variable({ all: true })] } as Dashboard, { home: '' }).size, 0);
});

test('cells of time are ISO texts, epoch seconds or milliseconds', () => {
	for (const cell of ['2026-01-31T12:00:00Z', NOW, NOW / 1000, String(NOW)]) assert.equal(timeOf(cell), NOW);
	for (const cell of ['2026-01-31T12:00:09Z', '2026-01-31T12:00:09.250Z', '2026-02-01T00:00:00.001Z', '2026-01-31T12:00:00+02:00', '2026-01-31']) {
		assert.equal(timeOf(cell), Date.parse(cell), cell);
	}
	assert.equal(timeOf('north'), null);
	assert.equal(timeOf(null), null);
});

test('rows become a line for each name, whatever their order', () => {
	const columns = { time: [iso(1), iso(0), iso(1)], region: ['north', 'north', 'south'], kw: [2, 1, '5'] };
	const { x, series } = shaped(panel({ by: 'region' }), columns);
	assert.deepEqual(x, [NOW, NOW + MINUTE]);
	assert.deepEqual(series, [{ name: 'north', values: [1, 2] }, { name: 'south', values: [null, 5] }]);
});

test('too many lines are left out and said', () => {
	const names = Array.from({ length: 15 }, (_, index) => `r${index}`);
	const columns = { time: names.map(() => iso(0)), region: names, kw: names.map((_, index) => index) };
	const shape = shaped(panel({ by: 'region' }), columns);
	assert.deepEqual([shape.series.length, shape.left], [12, 3]);
	assert.match(sentenceOf(panel(), specOf(panel(), shape, null), shape.left), /3 more are not drawn/);
	assert.equal(shaped(panel({ by: 'region', kind: 'heatmap' }), columns).series.length, 15);
});

test('without a time, names are what is drawn over', () => {
	const pie = panel({ kind: 'pie', time: '', by: 'region', spans: [] });
	const spec = specOf(pie, shaped(pie, { region: ['north', 'south'], kw: [3, 1] }), null);
	assert.deepEqual([spec.kind, spec.x, spec.formatX(1), spec.xName], ['pie', [0, 1], 'south', 'region']);
	assert.equal(sentenceOf(pie, spec).replaceAll('\u00a0', ' '), 'North has 75 % of 4.0 kW');
	assert.equal(specOf({ ...pie, kind: 'bar' }, shaped(pie, { region: ['a'], kw: [1] }), null).kind, 'columns');
});

test('a chart says in a sentence what it shows', () => {
	const columns = { time: [iso(0), iso(1), iso(2)], kw: [1, 9, 4] };
	const plain = (one: Panel, of: typeof columns | object) => sentenceOf(one, specOf(one, shaped(one, of as never), null)).replaceAll('\u00a0', ' ');
	assert.match(plain(panel(), columns), /^Now 4.0 kW, highest 9.0 kW at /);
	assert.equal(plain(panel(), { time: [], kw: [] }), 'Nothing in this span.');
	const gauge = panel({ kind: 'gauge', time: '', spans: [], low: 0, high: 10, warn: 5, bad: 9 });
	assert.equal(plain(gauge, { kw: [4] }), '4.0 kW, as it should be');
	assert.equal(plain(gauge, { kw: [7] }), '7.0 kW, needs a look');
	assert.equal(plain(gauge, { kw: [9] }), '9.0 kW, too high');
	const stacked = panel({ by: 'region', stacked: true });
	assert.equal(plain(stacked, { time: [iso(0), iso(0)], region: ['a', 'b'], kw: [1, 3] }), 'Now 4.0 kW, most of it b with 3.0 kW');
});

test('a table writes times as times and identifiers as they are', () => {
	const table = tableOf(panel({ kind: 'table', values: [], time: '' }), { home_id: [1007], since_ms: [NOW], kw: [1.25], rows: [12000] }, NOW);
	assert.deepEqual(table.map(({ name, numeric }) => [name, numeric]), [['home id', true], ['since', false], ['kw', true], ['rows', true]]);
	assert.deepEqual([table[0]?.cells[0], table[2]?.cells[0], table[3]?.cells[0]], ['1007', '1.25', '12,000']);
	assert.match(table[1]?.cells[0] ?? '', /\d\d:\d\d/);
});

test('a panel reserves what its picture, its sentence and its legend will take', () => {
	const panel = { kind: 'line', by: '', width: 8, description: '' } as Panel;
	const plain = reserved(panel, 220);
	assert.ok(plain > 220);
	assert.ok(reserved({ ...panel, by: 'region' }, 220) > plain, 'several names take more lines');
	assert.ok(reserved({ ...panel, kind: 'gauge' }, 220) < plain, 'a gauge has no legend');
	assert.ok(reserved({ ...panel, kind: 'stat' }, 220) < 100, 'a figure is as high as a figure, whatever its row');
	assert.equal(reserved(panel, 320) - plain, 100);
});
