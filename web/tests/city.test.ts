import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparison, cityTotal, energySentence, regionLines } from '../src/lib/city/energy.ts';
import { cellAt, layGrid, neighbour } from '../src/lib/city/grid.ts';
import { blocksOf, energyBounds, gridSentence, homesOf, levelOf, type Home } from '../src/lib/city/homes.ts';
import { cityNeeds } from '../src/lib/city/needs.ts';
import { countsOf, firingOf, oddOf, parseState, stateOf, stateSentence, type Known } from '../src/lib/city/states.ts';
import { ownPlaces, sortRegions } from '../src/lib/city/regions.ts';

const MINUTE = 60_000;
const CALM: Known = { firing: new Map(), odd: new Map() };

function home(id: number, region: string, energy: number | null = 1, ts = 1_000_000): Home {
	return { id, region, ts, temperature: 20, energy, voltage: 230, vibration: 0.1, readings: 1 };
}

test('regions keep one order', () => {
	assert.deepEqual(sortRegions(['west', 'sceaux', 'north', '', 'south', 'east', 'north']), ['north', 'east', 'south', 'west', '', 'sceaux']);
});

test('four regions have a place of their own: those of the city, else the largest', () => {
	assert.deepEqual(ownPlaces(new Map([['west', 1], ['sceaux', 9], ['north', 1], ['', 50], ['south', 1], ['east', 1]])), ['north', 'east', 'south', 'west']);
	assert.deepEqual(ownPlaces(new Map([['b', 2], ['a', 2], ['c', 9], ['d', 1], ['e', 3]])), ['a', 'b', 'c', 'e']);
	assert.deepEqual(ownPlaces(new Map([['b', 2], ['south', 1]])), ['south', 'b']);
});

test('energy is pivoted by region, and all other regions are one line', () => {
	const columns = {
		minute_ms: [0, 0, 0, 0, 0, 0, MINUTE, MINUTE, MINUTE],
		region: ['south', 'north', 'east', 'west', 'sceaux', '', 'south', 'north', 'stambruges'],
		kw: [10, 20, 1, 2, 0.5, 0.25, 5, null, 3],
		rows: [9, 9, 9, 9, 1, 1, 9, 9, 1]
	};
	const shown = regionLines(columns);
	assert.deepEqual(shown.ends, [MINUTE, 2 * MINUTE]);
	assert.deepEqual(shown.lines, [
		{ region: 'north', kw: [20, null] },
		{ region: 'east', kw: [1, null] },
		{ region: 'south', kw: [10, 5] },
		{ region: 'west', kw: [2, null] },
		{ region: 'elsewhere', kw: [0.75, 3] }
	]);
	assert.deepEqual(cityTotal(shown), [33.75, 8]);
	assert.deepEqual(regionLines(undefined), { ends: [], lines: [] });
	const own = regionLines({ minute_ms: [0, 0], region: ['south', ''], kw: [1, 2], rows: [1, 1] });
	assert.deepEqual(own.lines.map((line) => line.region), ['south', 'no region']);
});

test('the sentence compares quarters of an hour, or says that it cannot', () => {
	const said = (now: number | null, compared: string | null) => energySentence(now, compared, 15).replaceAll('\u00a0', ' ');
	assert.equal(said(1284, comparison(1060, 1000)), 'kW by region, last 15 minutes · now 1,284 kW, in these 15 minutes 6 % above yesterday');
	assert.match(said(1284, null), /nothing to compare with/);
	assert.match(said(null, null), /still to come/);
	assert.equal(comparison(90, 100), '10\u00a0% below');
	assert.equal(comparison(100, 100.2), 'as much as');
	assert.equal(comparison(100, 0), null);
});

test('homes are read from columns and stand by region', () => {
	const homes = homesOf({ home_id: [1, 2], region: ['north', ''], ts_ms: ['5', 6], energy: [0.2, null] });
	assert.deepEqual(homes.map(({ id, region, ts, energy }) => [id, region, ts, energy]), [[1, 'north', 5, 0.2], [2, '', 6, null]]);
	const many = Array.from({ length: 20 }, (_, id) => home(id, id % 2 ? 'north' : 'east'));
	const blocks = blocksOf([...many, home(100001, 'sceaux'), home(100002, 'stambruges')]);
	assert.deepEqual(blocks.map((block) => [block.name, block.homes.length]), [['north', 10], ['east', 10], ['elsewhere', 2]]);
});

test('levels split the homes into equal parts', () => {
	const homes = Array.from({ length: 60 }, (_, id) => home(id, 'north', id));
	const bounds = energyBounds(homes);
	assert.deepEqual(bounds, [10, 20, 30, 40, 50]);
	assert.deepEqual([0, 9, 10, 59].map((energy) => levelOf(energy, bounds)), [0, 0, 1, 5]);
	assert.equal(levelOf(null, bounds), null);
	assert.deepEqual(energyBounds([home(1, 'north', null)]), []);
});

test('the grid names the home that draws most now, not one that fell silent', () => {
	const said = gridSentence([home(1, 'north', 0.2), home(2, 'east', 0.3), home(100002, 'stambruges', 44, 0)], 1_000_000);
	assert.match(said, /1 silent for more than 5 minutes/);
	assert.match(said, /most: home 2 with/);
});

test('arrow keys and the pointer find cells', () => {
	const blocks = [{ name: 'north', homes: Array.from({ length: 50 }, (_, id) => home(id, 'north')) }];
	const grid = layGrid(blocks, 300);
	const columns = grid.cells.filter((cell) => cell.y === grid.cells[0]?.y).length;
	assert.equal(neighbour(grid, 0, 'left'), 0);
	assert.equal(neighbour(grid, 0, 'right'), 1);
	assert.equal(neighbour(grid, 1, 'down'), 1 + columns);
	assert.equal(neighbour(grid, 1 + columns, 'up'), 1);
	assert.equal(neighbour(grid, 49, 'right'), 49);
	const fifth = grid.cells[5];
	assert.ok(fifth);
	assert.equal(cellAt(grid, fifth.x + 1, fifth.y + 1)?.index, 5);
	assert.equal(cellAt(grid, -5, -5), null);
	assert.ok(grid.cells.every((cell) => cell.x + grid.size <= 300.001), 'nothing lies outside');
});

test('a city needs a person where homes are silent or many rows late', () => {
	const heartbeat = { tile: 't', at: 0, took: 0, received: 0, columns: { late_1m: [3], rows_1m: ['60'] } };
	const needs = cityNeeds(heartbeat, [home(7, 'north', 1, 600_000), home(8, 'north')], CALM, 1_000_000);
	assert.deepEqual(needs.map((need) => [need.id, need.href]), [['silent', '/city?home=7'], ['late', '/city']]);
	const usual = { ...heartbeat, columns: { late_1m: [300], rows_1m: [60_000] } };
	assert.deepEqual(cityNeeds(usual, [home(8, 'north')], CALM, 1_000_000), []);
	assert.deepEqual(cityNeeds(undefined, [], CALM, 0), []);
});

test('a home is in the worst of its states, and every home is counted once', () => {
	const alert = { id: 1, domain: 'homes', alert: 'overheating', severity: 'critical' as const, message: 'hot', fired_ms: 1, about: { home_id: 1 } };
	const elsewhere = { ...alert, id: 2, domain: 'sales', about: { home_id: 4 } };
	const firing = firingOf({ firing: 2, failed: 0, alerts: [alert, elsewhere], checks: [] });
	const columns = {
		home_id: [1, 2, 3, 2], channel: ['temperature', 'voltage', 'temperature', 'temperature'],
		sigma: [30, -7, 8, 20], value: [40, 220, 24, 25.04], expected: [20, 230, 20, 20], since_ms: [1, 2, 3, 4]
	};
	const known = { firing, odd: oddOf(columns) };
	const now = 1_000_000;
	const homes = [home(1, 'north'), home(2, 'north'), home(3, 'east', 1, 1), home(4, 'east')];
	assert.deepEqual(homes.map((one) => stateOf(one, known, now)), ['firing', 'odd', 'silent', 'ok']);
	assert.deepEqual(countsOf(homes, known, now), { firing: 1, silent: 1, odd: 1, ok: 1 });
	assert.deepEqual(homes.map((one) => stateSentence(one, known, now).replaceAll('\u00a0', ' ')), [
		'alert overheating fires · odd: temperature 40.0 °C, 20.0 expected beside its neighbours',
		'odd: temperature 25.0 °C, 20.0 expected beside its neighbours',
		'silent, last heard 16 min ago · odd: temperature 24.0 °C, 20.0 expected beside its neighbours',
		''
	]);
	assert.deepEqual([parseState('odd'), parseState('nonsense'), parseState(null)], ['odd', null, null]);
	const [need] = cityNeeds(undefined, [home(2, 'north')], known, now);
	assert.equal(need?.href, '/city?home=2');
	assert.equal(cityNeeds(undefined, [home(2, 'north'), home(5, 'north')], { ...CALM, odd: new Map([...known.odd, [5, known.odd.get(2)!]]) }, now)[0]?.href, '/city?state=odd#homes');
});
