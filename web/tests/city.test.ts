import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparison, cityTotal, energySentence, regionLines } from '../src/lib/city/energy.ts';
import { cellAt, layGrid, neighbour } from '../src/lib/city/grid.ts';
import { blocksOf, energyBounds, homesOf, levelOf, type Home } from '../src/lib/city/homes.ts';
import { needsOf } from '../src/lib/city/needs.ts';
import { sortRegions } from '../src/lib/city/regions.ts';
import type { Status } from '../src/lib/live/types.ts';

const MINUTE = 60_000;

function home(id: number, region: string, energy: number | null = 1, ts = 1_000_000): Home {
	return { id, region, ts, temperature: 20, energy, voltage: 230, vibration: 0.1, readings: 1 };
}

test('regions keep one order', () => {
	assert.deepEqual(sortRegions(['west', 'sceaux', 'north', '', 'south', 'east', 'north']), ['north', 'east', 'south', 'west', '', 'sceaux']);
});

test('energy is pivoted by region, and the running minute is scaled or left out', () => {
	const columns = {
		minute_ms: [0, 0, MINUTE, MINUTE],
		region: ['south', 'north', 'south', 'north'],
		kw: [10, 20, 5, null]
	};
	const half = regionLines(columns, MINUTE * 1.5);
	assert.deepEqual(half.ends, [MINUTE, MINUTE * 1.5]);
	assert.deepEqual(half.lines, [{ region: 'north', kw: [20, null] }, { region: 'south', kw: [10, 10] }]);
	assert.equal(half.running, true);
	assert.deepEqual(cityTotal(half), [30, 10]);
	const early = regionLines(columns, MINUTE + 5_000);
	assert.deepEqual([early.ends, early.running], [[MINUTE], false]);
	assert.deepEqual(regionLines(undefined, MINUTE).ends, []);
});

test('the sentence compares with yesterday, or says that it cannot', () => {
	assert.equal(energySentence(1284, 1211, 15), 'kW by region, last 15 minutes · now 1,284\u00a0kW, 6\u00a0% above the same time yesterday');
	assert.match(energySentence(1284, null, 15), /nothing stored yet/);
	assert.match(energySentence(null, null, 15), /still to come/);
	assert.equal(comparison(90, 100), '10\u00a0% below');
	assert.equal(comparison(100, 100.2), 'as much as');
	assert.equal(comparison(100, 0), null);
});

test('homes are read from columns and stand by region', () => {
	const homes = homesOf({ home_id: [1, 2], region: ['north', ''], ts_ms: ['5', 6], energy: [0.2, null] });
	assert.deepEqual(homes.map(({ id, region, ts, energy }) => [id, region, ts, energy]), [[1, 'north', 5, 0.2], [2, '', 6, null]]);
	const many = Array.from({ length: 20 }, (_, id) => home(id, id % 2 ? 'north' : 'east'));
	const blocks = blocksOf([...many, home(100001, 'sceaux'), home(100002, 'stambruges')]);
	assert.deepEqual(blocks.map((block) => [block.name, block.homes.length]), [['north', 10], ['east', 10], ['sceaux, stambruges', 2]]);
});

test('levels split the homes into equal parts', () => {
	const homes = Array.from({ length: 60 }, (_, id) => home(id, 'north', id));
	const bounds = energyBounds(homes);
	assert.deepEqual(bounds, [10, 20, 30, 40, 50]);
	assert.deepEqual([0, 9, 10, 59].map((energy) => levelOf(energy, bounds)), [0, 0, 1, 5]);
	assert.equal(levelOf(null, bounds), null);
	assert.deepEqual(energyBounds([home(1, 'north', null)]), []);
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

test('what needs you comes from facts, newest first', () => {
	const status: Status = {
		version: '1', project: 'p', engine: { state: 'up', version: '26.9' }, rows_per_s: 0, history: null, problems: [],
		sources: [{ domain: 'homes', source: 'readings', state: 'blocked', reason: 'view refused', accepted: 0, landed: 0, in_flight: 0 }],
		freshness_ms: { p50: null, p99: null, now: null },
		balance: { received: 12, silver: 0, dead_letters: 0, in_flight: 0, difference: 12 }
	};
	const letter = { source: 'homes/readings', part: 0, pos: 1, reason: 'ts', ingested_ms: 990_000, raw: '{}' };
	const heartbeat = { tile: 't', at: 0, received: 0, columns: { late_1m: [3] } };
	const needs = needsOf({
		status, deadLetters: { total: 1, items: [letter] }, heartbeat, homes: [home(7, 'north', 1, 600_000), home(8, 'north')], now: 1_000_000
	});
	assert.deepEqual(needs.map((need) => need.id), ['blocked homes/readings', 'balance', 'late', 'dead letters', 'silent']);
	assert.equal(needs.at(-1)?.href, '?home=7');
	assert.match(needs[0]?.text ?? '', /view refused/);
	const calm: Status = { ...status, sources: [], balance: { ...status.balance, difference: 0 } };
	assert.deepEqual(needsOf({ status: calm, deadLetters: { total: 0, items: [] }, heartbeat: undefined, homes: [home(8, 'north')], now: 1_000_000 }), []);
});
