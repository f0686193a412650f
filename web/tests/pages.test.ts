import assert from 'node:assert/strict';
import { test } from 'node:test';
import { about, bars, homeHref, type Alert, type Incident } from '../src/lib/alerts/alerts.ts';
import { address, asSql, missing, pageHref, valuesOf, type Endpoint } from '../src/lib/endpoints/endpoint.ts';
import { fateOf, filterOf, hrefOf, listUrl, marked, replayCommand, shortened, type Outlook } from '../src/lib/letters/letters.ts';
import { byRelation, went, type Check } from '../src/lib/quality/quality.ts';
import { curl, standing, type Source } from '../src/lib/sources/board.ts';

test('the fault of a record is marked with its value, whatever the value is', () => {
	const mark = (raw: string, field = 'b') => marked(raw, field)[1];
	assert.equal(mark('{"a":1,"b":"2,5","c":3}'), '"b":"2,5"');
	assert.equal(mark('{"b" : [1,{"c":"]"}], "d":1}'), '"b" : [1,{"c":"]"}]');
	assert.equal(mark('{"b":"say \\"x\\", {", "d":1}'), '"b":"say \\"x\\", {"');
	assert.equal(mark('{"a":1,"b":2.5}'), '"b":2.5');
	assert.equal(mark('{"b":"cut of'), '"b":"cut of');
	assert.equal(mark('{"a":1}'), '');
	assert.equal(mark('no json'), '');
	assert.equal(mark('{"a.b":1,"axb":2}', 'a.b'), '"a.b":1');
	for (const raw of ['{"a":1,"b":[2],"c":3}', '{"a":1}']) assert.equal(marked(raw, 'b').join(''), raw, 'nothing is lost');
	assert.equal(shortened(['{"aaaaaaaaaaaaaaaaaaaaaaaaaaaa":1,', '"b":2', '}'])[0].length, 16);
});

const OUTLOOK: Outlook = {
	upto: 3, good: 5, stay: 3, landed: 0,
	sources: [
		{ source: 'a/x', good: 5, stay: 1, fates: [
			{ reason: 'ts_range', now: '', rows: 5, part: 1, pos: 0, error: '' },
			{ reason: 'ts', now: 'ts', rows: 1, part: 1, pos: 9, error: 'ts' }
		] },
		{ source: 'b/y', good: 0, stay: 2, fates: [{ reason: 'not_json', now: 'not_json', rows: 2, part: 1, pos: 0, error: 'not_json' }] }
	]
};

test('what would become of dead letters is told for those that are meant', () => {
	assert.deepEqual(fateOf(OUTLOOK, { source: '', reason: '' }), { good: 5, stay: 3 });
	assert.deepEqual(fateOf(OUTLOOK, { source: 'a/x', reason: 'ts_range' }), { good: 5, stay: 0 });
	assert.deepEqual(fateOf(OUTLOOK, { source: 'b/y', reason: '' }), { good: 0, stay: 2 });
});

test('the address of dead letters says which, and the command the same', () => {
	const filter = { source: 'a/x', reason: 'ts_range', at: '' };
	assert.equal(hrefOf(filter), '/dead-letters?source=a%2Fx&reason=ts_range');
	assert.deepEqual(filterOf(new URLSearchParams(hrefOf(filter).split('?')[1])), filter);
	assert.equal(hrefOf({}), '/dead-letters');
	assert.equal(listUrl(filter, 50), '/v1/dead-letters?domain=a&source=x&reason=ts_range&limit=50');
	assert.equal(replayCommand(filter, 'penstock open --data /d'), 'penstock dead-letters replay a/x --reason ts_range --data /d');
	assert.equal(replayCommand({ source: '', reason: "it's" }, 'penstock open'), `penstock dead-letters replay --reason 'it'"'"'s'`);
});

const TIMING = { asked: 0, hit: 0, stale: 0, miss: 0, error: 0, p50_ms: null, p95_ms: null, hit_rate: null };
const param = (name: string, type: string, fallback: string | null) => ({ name, type, default: fallback, required: fallback === null, description: '' });
const ENDPOINT: Endpoint = {
	domain: 'homes', name: 'most', description: '', database: 'homes', reads: [], cache: '', max_stale: '', file: '', asked: TIMING, live: TIMING,
	params: [param('id', 'UInt32', null), param('of', 'String', "it's")],
	sql: "SELECT {id:UInt32} AS id, { of : String } AS of, '{other:String}' AS text"
};

test('an endpoint is asked by its address, and as SQL that runs anywhere', () => {
	assert.deepEqual(missing(ENDPOINT, { of: 'x' }), ['id']);
	assert.equal(address(ENDPOINT, { id: '7', of: '', unknown: 'x' }, 'csv'), '/v1/endpoints/homes/most.csv?id=7');
	assert.match(asSql(ENDPOINT, { id: '7' }), /^-- in the database homes\nSELECT CAST\('7', 'UInt32'\) AS id, CAST\('it\\'s', 'String'\) AS of, '\{other:String\}' AS text$/);
	const href = pageHref('homes/most', { id: '7', of: '' });
	assert.equal(href, '/endpoints?e=homes%2Fmost&p.id=7');
	assert.deepEqual(valuesOf(new URLSearchParams(href.split('?')[1])), { id: '7' });
});

const ALERT = { domain: 'homes', name: 'hot', key: ['home_id'] } as unknown as Alert;
const incident = (more: Partial<Incident>): Incident => ({
	id: 1, domain: 'homes', alert: 'hot', key: '[7]', state: 'resolved', severity: 'warning', message: '', row: { home_id: 7 },
	since_ms: 0, seen_ms: 0, fired_ms: null, resolved_ms: null, told: [], ...more
});

test('an incident leads to its home, and stands on the line of time', () => {
	assert.deepEqual(about(incident({}), ALERT), [['home_id', 7]]);
	assert.equal(homeHref(incident({}), ALERT), '/city?home=7');
	assert.equal(homeHref(incident({ key: '["north"]' }), { ...ALERT, key: ['region'] }), null);
	const [one, ...rest] = bars([
		incident({ since_ms: 4_000, fired_ms: 5_000, resolved_ms: 6_000 }),
		incident({ id: 2, since_ms: 0, fired_ms: 100, resolved_ms: 900 }),
		incident({ id: 3, alert: 'other', since_ms: 5_000 })
	], ALERT, 11_000, 10_000);
	assert.equal(rest.length, 0, 'too long ago, or of another');
	assert.deepEqual([one?.from, one?.fired, one?.to].map((x) => Math.round((x ?? 0) * 10)), [3, 4, 5]);
	assert.equal(bars([incident({ state: 'firing', since_ms: 0, fired_ms: 0 })], ALERT, 11_000, 10_000)[0]?.to, 1);
});

test('checks stand by relation, what fails first', () => {
	const check = (relation: string, state: Check['state']) => ({ domain: 'd', name: `${relation}.x`, relation, state }) as unknown as Check;
	const found = byRelation([check('a', 'passed'), check('b', 'failed'), check('b', 'passed')]);
	assert.deepEqual(found.map(({ name, checks }) => [name, checks.length]), [['d.b', 2], ['d.a', 1]]);
	const past = (state: 'passed' | 'failed') => ({ at_ms: 0, failures: 0, took_ms: 0, state });
	assert.equal(went([past('passed'), past('passed')]), 'all of the last 2 runs passed');
	assert.equal(went([past('failed'), past('passed')]), '1 of the last 2 runs did not pass');
});

test('a source tells how to send to it, and where it stands', () => {
	const part = (part: number, received: number, landed: number) => ({ part, received, landed, high: received, sent_ms: -1 });
	const source = { domain: 'd', source: 's', example: '{"a":"it\'s"}', in_flight: 0, parts: [] } as unknown as Source;
	assert.equal(curl('http://h', source), `curl -H 'Content-Type: application/json' 'http://h/v1/ingest/d/s?wait=true' -d '{"a":"it'\\''s"}'`);
	assert.equal(standing(source), 'nothing received yet');
	assert.equal(standing({ ...source, parts: [part(1, 5, 5)] }), 'all landed, up to 1:5');
	assert.match(standing({ ...source, in_flight: 3, parts: [part(1, 5, 2)] }), /: 3 rows on the way$/);
});
