import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moves, stateOf } from '../src/lib/project/sources.ts';
import type { SourceStatus } from '../src/lib/live/types.ts';
import { addressOf, endpointsOf, hasCity, opens } from '../src/lib/project/endpoints.ts';

const FORMAT = { name: 'format', in: 'path', required: true };
const DOCUMENT = {
	paths: {
		'/v1/ingest/meters/readings': {},
		'/v1/endpoints/meters/hourly.{format}': {
			get: { summary: 'Hours.', parameters: [FORMAT, { name: 'id', in: 'query', required: true }, { name: 'days', in: 'query', required: false }] }
		},
		'/v1/endpoints/meters/all.{format}': { get: { parameters: [FORMAT] } },
		'/v1/status': { get: { summary: 'How it is' } }
	}
};

test('endpoints are read from the description, with what they need', () => {
	const [hourly, all, ...rest] = endpointsOf(DOCUMENT);
	assert.ok(hourly && all);
	assert.equal(rest.length, 0);
	assert.deepEqual(hourly, {
		domain: 'meters', name: 'hourly', description: 'Hours.',
		params: [{ name: 'id', required: true }, { name: 'days', required: false }]
	});
	assert.equal(addressOf(all, 'csv'), '/v1/endpoints/meters/all.csv');
	assert.deepEqual([opens(hourly), opens(all)], [false, true]);
});

test('a project has a city when it has what the city is drawn from', () => {
	assert.equal(hasCity(endpointsOf(DOCUMENT)), false);
	assert.equal(hasCity([{ domain: 'homes', name: 'city_heartbeat', description: '', params: [] }]), true);
	assert.equal(hasCity([{ domain: 'other', name: 'city_heartbeat', description: '', params: [] }]), false);
});

test('a source is live for a while after its last row, and idle then', () => {
	const at = (landed: number): SourceStatus => ({ domain: 'meters', source: 'readings', state: 'idle', reason: '', accepted: landed, landed, good: landed, dead: 0, in_flight: 0 });
	assert.deepEqual(moves({}, [], [at(5)], 100), {}, 'what was there before is no move');
	const moved = moves({}, [at(5)], [at(6)], 1_000);
	assert.deepEqual(moved, { 'meters/readings': 1_000 });
	assert.deepEqual(moves(moved, [at(6)], [at(6)], 2_000), moved);
	assert.deepEqual([2_000, 5_999, 6_000].map((now) => stateOf(at(6), moved['meters/readings'], now)), ['live', 'live', 'idle']);
	assert.equal(stateOf({ ...at(6), state: 'blocked' }, 1_000, 1_001), 'blocked');
	assert.equal(stateOf(at(6), undefined, 1_001), 'idle');
});
