import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff } from '../src/lib/live/backoff.ts';
import { first, numbers } from '../src/lib/live/columns.ts';
import { decode } from '../src/lib/live/decode.ts';
import { ageOf, serverTime } from '../src/lib/live/freshness.ts';
import { health, STOPPED_AFTER_MS } from '../src/lib/live/health.ts';
import { liveUrl } from '../src/lib/live/stream.ts';
import type { Status } from '../src/lib/live/types.ts';

const STATUS: Status = {
	version: '0.1.0',
	project: 'examples',
	engine: { state: 'up', version: '26.9' },
	sources: [{ domain: 'homes', source: 'readings', state: 'live', reason: null, accepted: 3, landed: 3, in_flight: 0 }],
	freshness_ms: { p50: 400, p99: 700, now: 400 },
	rows_per_s: 1000,
	balance: { received: 3, silver: 3, dead_letters: 0, in_flight: 0, difference: 0 },
	history: null,
	problems: []
};

test('a tile is decoded, what does not fit is refused', () => {
	const good = decode('tile', '{"tile":"homes/x","at":5,"columns":{"a":[1,null]}}');
	assert.deepEqual(good, { kind: 'tile', data: { tile: 'homes/x', at: 5, columns: { a: [1, null] } } });
	assert.equal(decode('tile', '{"tile":"homes/x","at":5,"columns":{"a":1}}'), null);
	assert.equal(decode('tile', '{"tile":"homes/x","at":5}'), null);
	assert.equal(decode('tile', '{half'), null);
	assert.equal(decode('status', '[]'), null);
	assert.equal(decode('dead_letters', '{"items":[]}'), null);
	assert.deepEqual(decode('bye', ''), { kind: 'bye' });
});

test('64-bit integers count as numbers whether quoted or not', () => {
	const columns = { n: ['1795272601591', 2, null, 'x', ''] };
	assert.deepEqual(numbers(columns, 'n'), [1795272601591, 2, null, null, null]);
	assert.equal(first(columns, 'absent'), null);
	assert.deepEqual(numbers(undefined, 'n'), []);
});

test('freshness needs no right clock in the browser', () => {
	const tile = { tile: 't', at: 1_000_000, received: 50, columns: { last_ingested_ms: [999_600] } };
	assert.equal(ageOf(tile, 50), 400);
	assert.equal(ageOf(tile, 2_050), 2_400);
	assert.equal(ageOf(undefined, 50), null);
	assert.equal(ageOf({ ...tile, columns: { last_ingested_ms: [null] } }, 50), null);
	assert.equal(serverTime(tile, 1_050), 1_001_000);
});

test('the state of the line is said honestly', () => {
	const live = { phase: 'live', status: STATUS, ageMs: 400, retryMs: 0 } as const;
	assert.equal(health(live).label, 'live');
	assert.equal(health(live).stale, false);
	assert.equal(health({ ...live, ageMs: STOPPED_AFTER_MS + 1 }).label, 'source stopped');
	assert.equal(health({ ...live, ageMs: STOPPED_AFTER_MS + 1 }).stale, true);
	assert.equal(health({ ...live, ageMs: null }).label, 'no rows yet');
	assert.equal(health({ ...live, phase: 'reconnecting', retryMs: 1_200 }).detail, 'next try in 2 s');
	const restarting: Status = { ...STATUS, engine: { state: 'restarting', version: '26.9' } };
	assert.equal(health({ ...live, status: restarting }).label, 'engine restarting');
	const blocked: Status = { ...STATUS, sources: STATUS.sources.map((source) => ({ ...source, state: 'blocked' })) };
	assert.deepEqual([health({ ...live, status: blocked }).label, health({ ...live, status: blocked }).tone], ['source blocked', 'bad']);
});

test('waits grow to eight seconds', () => {
	const waits = [1, 2, 3, 6, 20].map((attempt) => backoff(attempt, () => 1));
	assert.deepEqual(waits, [400, 800, 1_600, 8_000, 8_000]);
	assert.equal(backoff(1, () => 0), 300);
});

test('tiles keep their parameters in the address of the stream', () => {
	const url = new URL(liveUrl(['homes/a', 'homes/b?home_id=7&minutes=60']), 'http://x');
	assert.deepEqual(url.searchParams.getAll('tile'), ['homes/a', 'homes/b?home_id=7&minutes=60']);
});
