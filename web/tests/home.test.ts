import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zoomAfter } from '../src/lib/chart/keys.ts';
import { lastIndex } from '../src/lib/chart/spec.ts';
import { expectedCharts, HOUR, hoursOf, offBy, spellsOf, whenOf } from '../src/lib/city/expected.ts';
import { around, hoursFor, spanOf, WEEK, zoomed } from '../src/lib/city/span.ts';

const T0 = Date.UTC(2026, 10, 21, 0);
const plain = (text: string) => text.replaceAll('\u00a0', ' ');

/** Temperatures of hours 0 to 5 but the third, of which hours 1 and 2 are odd; energy of the first. */
const columns = {
	hour_ms: [T0, T0, T0 + HOUR, T0 + 2 * HOUR, T0 + 4 * HOUR, T0 + 5 * HOUR],
	channel: ['energy', 'temperature', 'temperature', 'temperature', 'temperature', 'temperature'],
	value: [900, 20, 24, 23, 20, 16],
	expected: [100, 20, 20, 20, 20, null],
	low: [null, 19, 19, 19, 19, null],
	high: [null, 21, 21, 21, 21, null],
	sigma: [null, 0, 12, 9, 0, null],
	beyond: [2, null, null, null, null, 1.5],
	odd: ['quartiles', '', 'norm', 'norm and quartiles', '', 'quartiles']
};

test('an hour without readings is a gap in every line', () => {
	const temperature = hoursOf(columns)[0];
	assert.deepEqual(temperature?.value, [20, 24, 23, null, 20, 16]);
	assert.deepEqual(temperature?.low, [19, 19, 19, null, 19, null]);
	assert.deepEqual(hoursOf({ hour_ms: [] })[0]?.x, []);
});

test('neighbouring odd hours are one spell, told by the furthest; the newest stands first', () => {
	const spells = spellsOf(hoursOf(columns));
	assert.deepEqual(
		spells.map(({ channel, start, end, value, odd }) => [channel.name, (start - T0) / HOUR, (end - T0) / HOUR, value, odd]),
		[['temperature', 5, 6, 16, 'quartiles'], ['temperature', 1, 3, 24, 'norm'], ['energy', 0, 1, 900, 'quartiles']]
	);
	assert.deepEqual(spells.map(offBy).map(plain), ['1.5 quartile ranges past the fence', '12.0 σ above', '2.0 quartile ranges past the fence']);
	assert.match(whenOf({ start: T0, end: T0 + HOUR }), /^\S+ \d+, \d\d:\d\d$/);
	assert.match(whenOf({ start: T0, end: T0 + 3 * HOUR }), /to .*\(3 h\)$/);
});

test('a chart has the band and its marks, and says what its span shows', () => {
	const charts = expectedCharts(hoursOf(columns), [T0, T0 + 3 * HOUR]);
	assert.deepEqual(charts.map(({ title }) => title), ['Temperature by hour', 'Energy by hour']);
	assert.deepEqual(charts[0]?.spec.marks?.at, [1, 2, 5]);
	assert.equal(charts[1]?.spec.band, undefined);
	assert.match(plain(charts[0]?.sentence ?? ''), /23\.0 °C, 20\.0 °C expected · 2 odd hours, the furthest 12\.0 σ above$/);
	const later = expectedCharts(hoursOf(columns), [T0 + 4 * HOUR, T0 + 4.5 * HOUR]);
	assert.match(plain(later[0]?.sentence ?? ''), /no odd hour$/);
	assert.equal(later[1]?.sentence, 'nothing came in this span');
});

test('what is read without a cursor is the last point that is shown', () => {
	const spec = expectedCharts(hoursOf(columns), [T0, T0 + 3 * HOUR])[0]?.spec;
	assert.ok(spec);
	assert.equal(lastIndex(spec), 2);
	assert.equal(lastIndex({ ...spec, span: [0, 1] }), 5);
});

test('plus and minus zoom around the cursor and the middle', () => {
	assert.deepEqual(zoomAfter('+', [0, 100], 10), [0, 35]);
	assert.deepEqual(zoomAfter('=', [0, 100], 50), [25, 75]);
	assert.deepEqual(zoomAfter('-', [0, 100], 10), [-50, 150]);
	assert.equal(zoomAfter('ArrowLeft', [0, 100], 10), null);
});

test('a zoom is of whole hours, six at least, and ends now at the latest', () => {
	const now = T0 + 100 * HOUR + 1;
	assert.deepEqual(zoomed(T0 + 1, T0 + 10 * HOUR - 1, now), { start: String(T0), end: String(T0 + 10 * HOUR) });
	assert.deepEqual(zoomed(T0 + 20 * HOUR, T0 + 21 * HOUR, now), { start: String(T0 + 17 * HOUR), end: String(T0 + 24 * HOUR) });
	assert.equal(zoomed(T0, now + HOUR, now).end, 'now');
	assert.ok(Number(zoomed(now + 50 * HOUR, now + 60 * HOUR, now).start) <= now - 6 * HOUR);
	assert.ok(Number(zoomed(0, now, now).start) > now - 8762 * HOUR);
	assert.deepEqual(around({ start: T0 + 40 * HOUR, end: T0 + 41 * HOUR }, now), { start: String(T0 + 28 * HOUR), end: String(T0 + 53 * HOUR) });
});

test('the address restores a span, and so far back is asked for', () => {
	const now = T0 + 100 * HOUR;
	assert.deepEqual(spanOf(null, null, now), WEEK);
	assert.deepEqual(spanOf('x', 'now', now), WEEK);
	assert.deepEqual(spanOf(String(now), String(T0), now), WEEK, 'the wrong way round');
	const day = spanOf('now-24h', 'now', now);
	assert.deepEqual([WEEK, day, spanOf('now-30d', 'now', now), spanOf('0', 'now', now)].map((span) => hoursFor(span, now)), [168, 168, 720, 8760]);
});
