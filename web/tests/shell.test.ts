import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { meaning } from '../src/lib/shell/keys.ts';
import { barOf, placeAt, PLACES, placesFor } from '../src/lib/shell/places.ts';

const key = (name: string, held: Partial<{ ctrlKey: boolean; metaKey: boolean; altKey: boolean }> = {}) => ({
	key: name, ctrlKey: false, metaKey: false, altKey: false, ...held
});

test('each place has a page and a key of its own', () => {
	for (const { path } of PLACES) assert.ok(existsSync(new URL(`../src/routes${path}/+page.svelte`, import.meta.url)), path);
	assert.equal(new Set(PLACES.map((place) => place.key)).size, PLACES.length);
	assert.ok(!PLACES.some((place) => place.key === 'g'), 'g begins');
});

test('a city is a place only where there is one', () => {
	const names = (city: boolean) => placesFor(city).map(({ name }) => name);
	assert.ok(names(true).includes('City') && !names(false).includes('City'));
	for (const city of [true, false]) {
		const bar = barOf(placesFor(city));
		assert.equal(bar.length, 4);
		assert.equal(bar[0]?.path, '/');
	}
});

test('an address leads to its place, or to none', () => {
	assert.equal(placeAt('/dead-letters')?.name, 'Dead letters');
	assert.equal(placeAt('/dead-letters/')?.name, 'Dead letters');
	assert.equal(placeAt('/')?.name, 'Flow');
	assert.equal(placeAt('/nowhere'), undefined);
});

test('g and a letter go somewhere, one after the other', () => {
	const places = placesFor(false);
	assert.deepEqual(meaning(key('g'), false, places), { kind: 'begin' });
	assert.deepEqual(meaning(key('d'), true, places), { kind: 'go', path: '/dead-letters' });
	assert.deepEqual(meaning(key('d'), false, places), { kind: 'nothing' });
	assert.deepEqual(meaning(key('c'), true, places), { kind: 'nothing' }, 'no city here');
	assert.deepEqual(meaning(key('?'), false, places), { kind: 'help' });
	assert.deepEqual(meaning(key('d', { ctrlKey: true }), true, places), { kind: 'nothing' });
});
