import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cursorAfter } from '../src/lib/chart/keys.ts';
import { lastIndex } from '../src/lib/chart/spec.ts';
import { compact, count, decimal, percent } from '../src/lib/format/number.ts';
import { ago, duration } from '../src/lib/format/time.ts';

const plain = (text: string) => text.replaceAll('\u00a0', ' ');

test('numbers', () => {
	assert.equal(plain(decimal(1284.4, 0, 'kW')), '1,284 kW');
	assert.equal(decimal(-3), '−3');
	assert.equal(decimal(null), '–');
	assert.equal(decimal(Number.NaN), '–');
	assert.deepEqual([9_876, 41_200, 3_204_000, 41_200_000].map((n) => plain(compact(n))), ['9,876', '41.2 k', '3.20 M', '41.2 M']);
	assert.equal(plain(percent(0.06)), '6 %');
	assert.deepEqual([count(1, 'home'), count(1000, 'home')], ['1 home', '1,000 homes']);
});

test('spans', () => {
	const spans = [400, 9_960, 42_900, 12 * 60_000, 3 * 3_600_000, 50 * 3_600_000];
	assert.deepEqual(spans.map((ms) => plain(duration(ms))), ['0.4 s', '9 s', '42 s', '12 min', '3 h', '2 days']);
	assert.deepEqual([0, 3_900, 120_000].map((ms) => plain(ago(ms))), ['now', '3 s ago', '2 min ago']);
});

test('keys move the cursor of a chart and stop at its ends', () => {
	assert.equal(cursorAfter('ArrowLeft', null, 10), 9);
	assert.equal(cursorAfter('ArrowLeft', 0, 10), 0);
	assert.equal(cursorAfter('ArrowRight', 9, 10), 9);
	assert.equal(cursorAfter('PageUp', 50, 100), 40);
	assert.equal(cursorAfter('Home', 5, 10), 0);
	assert.equal(cursorAfter('a', 5, 10), null);
	assert.equal(cursorAfter('End', null, 0), null);
});

test('the newest point with a value', () => {
	const shared = { kind: 'line', unit: '', digits: 0, formatX: String, formatTick: String } as const;
	assert.equal(lastIndex({ ...shared, x: [1, 2, 3], series: [{ name: 'a', values: [1, 2, null] }] }), 1);
	assert.equal(lastIndex({ ...shared, x: [], series: [] }), -1);
});
