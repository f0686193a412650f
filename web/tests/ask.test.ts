import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { ask, isTrouble, lineOf, taken, troubleOf } from '../src/lib/live/ask.ts';

const REFUSAL = { title: 'No such node', detail: 'homes.x is none', next: 'look at Flow', line: 3 };
let server: Server;
let url = '';

before(async () => {
	server = createServer((request, response) => {
		if (request.url === '/slow') return;
		const [status, body] = request.url === '/good' ? [200, '{"rows": 2}'] : request.url === '/refused' ? [404, JSON.stringify(REFUSAL)] : [502, '<html>'];
		response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
	});
	await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
	url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
	server.closeAllConnections();
	server.close();
});

const thrown = (asked: Promise<unknown>) => asked.then(() => null, (caught: unknown) => caught);

test('a document is given as it is', async () => {
	assert.deepEqual(await ask(`${url}/good`), { rows: 2 });
});

test('a refusal is thrown in the words of the platform, whole', async () => {
	assert.deepEqual(await thrown(ask(`${url}/refused`)), REFUSAL);
	assert.deepEqual(await thrown(taken(`${url}/refused`)), REFUSAL);
});

test('an answer that is no document of ours is named by its status', async () => {
	assert.equal(troubleOf(await thrown(ask(`${url}/broken`))).title, 'It answered 502');
});

test('who does not answer is told with what to do', async () => {
	const caught = await thrown(ask('http://127.0.0.1:1/'));
	assert.ok(isTrouble(caught));
	assert.equal(lineOf(troubleOf(caught)), 'the platform cannot be reached. Next: is `penstock up` running? Then try again');
});

test('a request that was given up is no trouble of the platform', async () => {
	const stop = new AbortController();
	const caught = thrown(ask(`${url}/slow`, { signal: stop.signal }));
	stop.abort();
	assert.equal(((await caught) as Error).name, 'AbortError');
});
