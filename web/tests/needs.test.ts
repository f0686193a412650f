import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Needed, Status } from '../src/lib/live/types.ts';
import { inOrder, needsOf } from '../src/lib/needs/needs.ts';

const CALM: Status = {
	version: '1', at: 0, project: 'p', adopted: 0, engine: { state: 'up', version: '26.9' }, rows_per_s: 0, history: null,
	problems: [], filling: [], sources: [], freshness_ms: { p50: 0, p99: 0, now: 0 },
	balance: { received: 0, silver: 0, dead_letters: 0, in_flight: 0, difference: 0 }
};
const NONE: Needed = { firing: 0, failed: 0, alerts: [], checks: [] };

test('what needs you comes from facts, newest first', () => {
	const status: Status = {
		...CALM,
		sources: [{ domain: 'homes', source: 'readings', state: 'blocked', reason: 'view refused', accepted: 0, landed: 0, good: 0, dead: 0, in_flight: 0 }],
		problems: [{ file: 'homes/serve/a.sql', line: 3, cause: 'there is no b', hint: '' }],
		balance: { ...CALM.balance, received: 12, difference: 12 }
	};
	const letter = { domain: 'homes', source: 'readings', part: 0, pos: 1, reason: 'ts', ingested_ms: 990_000, raw: '{}' };
	const needed: Needed = {
		firing: 3, failed: 1,
		alerts: [{ id: 4, domain: 'homes', alert: 'overheating', severity: 'critical', message: 'Home 7 overheats', fired_ms: 995_000, about: { home_id: 7 } }],
		checks: [{ domain: 'homes', name: 'readings.fresh__ingested_at', state: 'failed', failures: 2, at_ms: 980_000 }]
	};
	const needs = inOrder(needsOf({ status, deadLetters: { total: 1, items: [letter] }, needed }));
	assert.deepEqual(
		needs.map((need) => need.id),
		['blocked homes/readings', 'balance', 'files', 'incident 4', 'more incidents', 'dead letters', 'check homes/readings.fresh__ingested_at']
	);
	assert.match(needs[0]?.text ?? '', /view refused/);
	assert.equal(needs[2]?.code, 'homes/serve/a.sql:3');
	assert.equal(needs[3]?.tone, 'bad');
	assert.match(needs[4]?.text ?? '', /2 more alerts/);
	assert.equal(needs[5]?.code, 'homes/readings');
	assert.ok(needs.every((need) => need.href.startsWith('/')), 'each is a link');
});

test('an engine that is away needs a person, and a calm platform nobody', () => {
	const down: Status = { ...CALM, engine: { state: 'down', version: '26.9' } };
	assert.match(needsOf({ status: down, deadLetters: null, needed: null })[0]?.text ?? '', /engine is down/);
	assert.deepEqual(needsOf({ status: CALM, deadLetters: { total: 0, items: [] }, needed: NONE }), []);
});
