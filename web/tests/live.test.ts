import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff } from '../src/lib/live/backoff.ts';
import { changed } from '../src/lib/live/change.ts';
import { first, numbers } from '../src/lib/live/columns.ts';
import { decode } from '../src/lib/live/decode.ts';
import { ageOf, landedAge, serverTime } from '../src/lib/live/freshness.ts';
import { health, STOPPED_AFTER_MS } from '../src/lib/live/health.ts';
import { liveUrl } from '../src/lib/live/stream.ts';
import type { SourceState, Status } from '../src/lib/live/types.ts';

const STATUS: Status = {
	version: '0.1.0',
	at: 0,
	project: 'examples',
	adopted: 0,
	engine: { state: 'up', version: '26.9' },
	sources: [{ domain: 'homes', source: 'readings', state: 'live', reason: '', accepted: 3, landed: 3, good: 3, dead: 0, in_flight: 0 }],
	freshness_ms: { p50: 400, p99: 700, now: 400 },
	rows_per_s: 1000,
	balance: { received: 3, silver: 3, dead_letters: 0, in_flight: 0, difference: 0 },
	history: null,
	problems: [],
	filling: []
};

test('a tile is decoded, what does not fit is refused', () => {
	const good = decode('tile', '{"tile":"homes/x","at":5,"columns":{"a":[1,null]}}');
	assert.deepEqual(good, { kind: 'tile', data: { tile: 'homes/x', at: 5, columns: { a: [1, null] } } });
	assert.equal(decode('tile', '{"tile":"homes/x","at":5,"columns":{"a":1}}'), null);
	assert.equal(decode('tile', '{"tile":"homes/x","at":5}'), null);
	assert.equal(decode('tile', '{half'), null);
	assert.equal(decode('status', '[]'), null);
	assert.equal(decode('dead_letters', '{"items":[]}'), null);
	assert.equal(decode('flow', '{"nodes":[]}'), null);
	assert.equal(decode('needs', '{"alerts":[],"checks":[],"firing":0,"failed":0}')?.kind, 'needs');
	assert.deepEqual(decode('bye', ''), { kind: 'bye' });
});

test('a change goes on from the tile it names, and from no other', () => {
	const tile = { tile: 'homes/x', at: 5, took: 1, columns: { time: ['a', 'b', 'c', 'd'], n: [1, 2, null, 4] } };
	const text = '{"tile":"homes/x","at":9,"took":2,"since":5,"first":1,"end":3,"columns":{"time":["d","e"],"n":[7,null]}}';
	const event = decode('change', text);
	assert(event?.kind === 'change');
	const now = { tile: 'homes/x', at: 9, took: 2, columns: { time: ['b', 'c', 'd', 'e'], n: [2, null, 7, null] } };
	assert.deepEqual(changed(tile, event.data), now);
	assert.equal(changed(now, event.data), null, 'it is of an older answer');
	assert.equal(changed(undefined, event.data), null);
	assert.equal(decode('change', text.replace('"first":1,', '')), null);
});

test('64-bit integers count as numbers whether quoted or not', () => {
	const columns = { n: ['1795272601591', 2, null, 'x', ''] };
	assert.deepEqual(numbers(columns, 'n'), [1795272601591, 2, null, null, null]);
	assert.equal(first(columns, 'absent'), null);
	assert.deepEqual(numbers(undefined, 'n'), []);
});

test('freshness needs no right clock in the browser', () => {
	const tile = { tile: 't', at: 1_000_000, took: 3, received: 50, columns: { last_ingested_ms: [999_600] } };
	assert.equal(ageOf(tile, 50), 400);
	assert.equal(ageOf(tile, 2_050), 2_400);
	assert.equal(ageOf(undefined, 50), null);
	assert.equal(ageOf({ ...tile, columns: { last_ingested_ms: [null] } }, 50), null);
	assert.equal(serverTime({ ...STATUS, at: 1_000_000 }, 50, 1_050), 1_001_000);
	assert.equal(landedAge(STATUS, 50, 1_050), 1_400);
	assert.equal(landedAge({ ...STATUS, freshness_ms: { p50: 0, p99: 0, now: 0 } }, 50, 1_050), null, 'nothing has landed yet');
});

test('the state of the line is said honestly', () => {
	const live = { phase: 'live', status: STATUS, ageMs: 400, retryMs: 0, stoppedAfterMs: STOPPED_AFTER_MS } as const;
	assert.equal(health(live).label, 'live');
	assert.equal(health(live).stale, false);
	assert.equal(health({ ...live, ageMs: STOPPED_AFTER_MS + 1 }).label, 'source stopped');
	assert.equal(health({ ...live, ageMs: STOPPED_AFTER_MS + 1 }).stale, true);
	assert.equal(health({ ...live, ageMs: null }).label, 'no rows yet');
	assert.equal(health({ ...live, phase: 'reconnecting', retryMs: 1_200 }).detail, 'next try in 2 s');
	assert.equal(health({ ...live, ageMs: 3_600_000, stoppedAfterMs: null }).label, 'live', 'rows that come as they may');
	for (const state of ['starting', 'down', 'stopped'] as const) {
		const away: Status = { ...STATUS, engine: { state, version: '26.9' } };
		assert.deepEqual([health({ ...live, status: away }).label, health({ ...live, status: away }).stale], [`engine ${state}`, true]);
	}
	const of = (state: SourceState): Status => ({ ...STATUS, sources: STATUS.sources.map((source) => ({ ...source, state })) });
	const said = (state: SourceState) => health({ ...live, status: of(state) });
	assert.deepEqual([said('blocked').label, said('blocked').tone, said('blocked').detail], ['source blocked', 'bad', 'homes/readings']);
	assert.deepEqual([said('recovering').label, said('recovering').stale], ['source recovering', true]);
	assert.deepEqual([said('idle').label, said('live').label], ['live', 'live']);
});

test('waits grow to eight seconds', () => {
	const waits = [1, 2, 3, 6, 20].map((attempt) => backoff(attempt, () => 1));
	assert.deepEqual(waits, [400, 800, 1_600, 8_000, 8_000]);
	assert.equal(backoff(1, () => 0), 300);
});

test('tiles keep their parameters in the address of the stream', () => {
	const url = new URL(liveUrl({ tiles: ['homes/a', 'homes/b?home_id=7&minutes=60'], also: ['flow'] }), 'http://x');
	assert.deepEqual(url.searchParams.getAll('tile'), ['homes/a', 'homes/b?home_id=7&minutes=60']);
	assert.equal(url.searchParams.get('also'), 'flow');
});
