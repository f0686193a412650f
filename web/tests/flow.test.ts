import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hopsOf, holds, idOfTile, serverAt, syncOf, tileFor } from '../src/lib/flow/follow.ts';
import { clipOf, downstream, layGraph, lineage, ordered, paceOf } from '../src/lib/flow/graph.ts';
import { graphSentence, headline, keeps, kindLine, toneOf } from '../src/lib/flow/words.ts';
import type { FlowFigure, FlowGraph, FlowNode, Passage } from '../src/lib/live/types.ts';
import { pieces } from '../src/lib/ui/sql.ts';

function node(id: string, stage: FlowNode['stage'], kind: string): FlowNode {
	const [domain = '', ...rest] = id.split('.');
	return { id, domain, name: rest.at(-1) ?? '', stage, kind, description: '', file: '', kept_ms: null };
}

const GRAPH: FlowGraph = {
	nodes: [
		node('m.sources.posts', 'sources', 'http'),
		node('m.raw', 'bronze', 'table'),
		node('m.rows', 'silver', 'table'),
		node('m.a_view', 'gold', 'view'),
		node('m.hourly', 'gold', 'table'),
		node('m.serve.all', 'serve', 'endpoint'),
		node('m.alerts.hot', 'serve', 'alert')
	],
	wires: [
		{ from: 'm.sources.posts', to: 'm.raw', carries: true },
		{ from: 'm.raw', to: 'm.rows', carries: true },
		{ from: 'm.rows', to: 'm.hourly', carries: true },
		{ from: 'm.hourly', to: 'm.a_view', carries: false },
		{ from: 'm.hourly', to: 'm.serve.all', carries: false },
		{ from: 'm.rows', to: 'm.alerts.hot', carries: false }
	]
};

function figure(id: string, said: Partial<FlowFigure>): FlowFigure {
	return { id, rows: null, bytes: null, rate: null, ms: null, dead: 0, firing: 0, ...said };
}

test('columns keep the order of the flow, and nothing lies over another or outside', () => {
	const laid = layGraph(GRAPH, 1100);
	assert.deepEqual(ordered(GRAPH).gold.map(({ name }) => name), ['hourly', 'a_view']);
	assert.deepEqual(ordered(GRAPH).serve.map(({ name }) => name), ['hot', 'all']);
	const boxes = [...laid.boxes.values()];
	assert.equal(boxes.length, GRAPH.nodes.length);
	assert.equal(laid.lines.length, GRAPH.wires.length);
	for (const box of boxes) {
		assert.ok(box.x >= 0 && box.x + box.width <= 1100.001 && box.y + box.height <= laid.height);
		const under = boxes.filter((other) => other !== box && other.x === box.x && other.y < box.y + box.height && box.y < other.y + other.height);
		assert.deepEqual(under, []);
	}
	const edges = (['sources', 'bronze', 'silver', 'gold', 'serve'] as const).map((stage) => laid.columns[stage]);
	assert.deepEqual(edges, edges.toSorted((a, b) => a - b));
	const below = [...laid.boxes].filter(([, box]) => box.x < laid.free.width).map(([, box]) => box.y + box.height);
	assert.ok(laid.free.y >= Math.max(...below), 'the free room is free');
});

test('the room between two cards of a column shows no wire that runs behind them', () => {
	const laid = layGraph(GRAPH, 1100);
	const stacks = Map.groupBy(laid.boxes.values(), (box) => box.x);
	assert.equal(laid.covered.length, stacks.size);
	for (const [x, boxes] of stacks) {
		const hole = laid.covered.find((box) => box.x === x);
		assert.ok(hole && hole.y <= Math.min(...boxes.map((box) => box.y)));
		assert.equal(hole.y + hole.height, Math.max(...boxes.map((box) => box.y + box.height)), 'under the last one there is nothing to hide behind');
	}
	assert.equal(clipOf(laid).match(/M/g)?.length, 1 + stacks.size);
});

test('a graph with a wire to nowhere and one of thirty in a column are laid out as well', () => {
	const stray = { ...GRAPH, wires: [...GRAPH.wires, { from: 'm.gone', to: 'm.raw', carries: true }] };
	assert.equal(layGraph(stray, 900).lines.length, GRAPH.wires.length);
	const many = { nodes: Array.from({ length: 30 }, (_, index) => node(`m.g${index}`, 'gold', 'table')), wires: [] };
	assert.equal(layGraph(many, 900).boxes.size, 30);
	assert.ok(layGraph({ nodes: [], wires: [] }, 900).height > 0);
});

test('lineage is what it comes from and what comes of it', () => {
	assert.deepEqual([...lineage('m.hourly', GRAPH.wires)].sort(), ['m.a_view', 'm.hourly', 'm.raw', 'm.rows', 'm.serve.all', 'm.sources.posts']);
	assert.ok(!downstream('m.hourly', GRAPH.wires).has('m.rows'));
	const circle = [{ from: 'a', to: 'b', carries: true }, { from: 'b', to: 'a', carries: true }];
	assert.equal(lineage('a', circle).size, 2);
});

test('more rows go faster, none do not move', () => {
	assert.equal(paceOf(0), null);
	assert.equal(paceOf(null), null);
	const [slow, quick] = [paceOf(1), paceOf(20_000)];
	assert.ok(slow !== null && quick !== null && slow > quick && quick > 0);
	assert.equal(paceOf(1000), paceOf(1100), 'a little more does not make it jump');
});

test('a node says what it is and does', () => {
	const [posts, raw, rows, , hourly, all, hot] = GRAPH.nodes as [FlowNode, FlowNode, FlowNode, FlowNode, FlowNode, FlowNode, FlowNode];
	const plain = (text: string) => text.replaceAll('\u00a0', ' ');
	assert.equal(plain(kindLine(raw, figure('m.raw', { rows: 10, bytes: 1_900_000_000 }))), '1.90 GB · keeps all');
	assert.equal(plain(kindLine(rows, figure('m.rows', { rows: 1000, bytes: 10_000 }))), '10.0 KB · 10.0 bytes a row');
	assert.equal(plain(kindLine(rows, figure('m.rows', { rows: 4, bytes: 4_000 }))), '4.00 KB');
	assert.equal(kindLine(posts, undefined), 'http');
	assert.equal(headline(raw, figure('m.raw', { rate: 994.4 })), '994/s');
	assert.equal(headline(raw, undefined), '');
	assert.equal(headline(hourly, figure('m.hourly', { rows: 8269, rate: 4 })), '8,269 rows');
	assert.equal(toneOf(rows, figure('m.rows', { rate: 4, dead: 1 }), null), 'warn');
	assert.equal(toneOf(raw, figure('m.raw', { rate: 4 }), null), 'good');
	assert.equal(toneOf(hot, figure('m.alerts.hot', { firing: 1 }), null), 'bad');
	assert.equal(toneOf(all, undefined, null), 'none');
	const failing = { firing: 0, failed: 1, alerts: [], checks: [{ domain: 'm', name: 'hourly.fresh_ts', state: 'failed', failures: 1, at_ms: 0 }] } as const;
	assert.equal(toneOf(hourly, figure('m.hourly', { rate: 4 }), { ...failing, alerts: [], checks: [...failing.checks] }), 'warn');
	assert.deepEqual([keeps(null), keeps(7 * 86_400_000), keeps(3_600_000)], ['keeps all', 'keeps 7 days', 'keeps 1 hour']);
	assert.equal(graphSentence(GRAPH, 1000), '1 source sends 1,000 rows a second through 1 bronze and 1 silver into 2 gold; 1 endpoint and 1 alert read them');
});

test('a batch is followed by what was measured', () => {
	const passage: Passage = { batch: 4, rows: 9, received_ms: 1000, cut_ms: 1400, inserted_ms: 1500, counted_ms: 1510, closed_ms: 1512 };
	const landed = hopsOf(passage, null);
	assert.deepEqual(landed.map((hop) => [hop.ms, hop.at]), [[400, 400], [100, 500], [10, 510], [2, 512]]);
	const shown = hopsOf(passage, { asked: 1600, answered: 1620, drawn: 1650.4 });
	assert.deepEqual(shown.slice(4).map((hop) => hop.ms), [88, 20, 30]);
	assert.equal(shown.at(-1)?.at, 650);
	const skewed = hopsOf(passage, { asked: 1600, answered: 1620, drawn: 1610 });
	assert.ok(skewed.every((hop) => hop.ms >= 0), 'clocks that differ by a moment make nothing arrive before it was sent');
});

test('an answer shows a batch only when it was asked for after that was closed', () => {
	const passage: Passage = { batch: 4, rows: 9, received_ms: 0, cut_ms: 0, inserted_ms: 0, counted_ms: 0, closed_ms: 1512 };
	const tile = { tile: 'm/all', at: 1520, took: 20, received: 0, columns: {} };
	assert.equal(holds(tile, passage), false, 'its query had begun before');
	assert.equal(holds({ ...tile, at: 1532 }, passage), true);
	assert.equal(holds(undefined, passage), false);
});

test('the clocks of both sides meet in the middle of a question', () => {
	const sync = syncOf(5000, 100, 120);
	assert.equal(serverAt(110, sync), 5000);
	assert.equal(serverAt(210, sync), 5100);
});

test('a source is seen in a tile that reads what it fills', () => {
	assert.equal(idOfTile('m/all?n=1'), 'm.serve.all');
	assert.equal(tileFor('m.sources.posts', GRAPH, ['x/y'], ['m/none', 'm/all']), 'm/all');
	assert.equal(tileFor('m.sources.posts', GRAPH, ['m/all?n=1'], []), 'm/all?n=1');
	assert.equal(tileFor('m.sources.posts', GRAPH, [], ['m/none']), null);
});

test('SQL is coloured, and no letter of it is lost', () => {
	const sql = "/* a */ SELECT 'it''s', `b`, {n:UInt8}, 1.5e3 -- end\nFROM t WHERE x = 'open";
	const parts = pieces(sql);
	assert.equal(parts.map((part) => part.text).join(''), sql);
	const kinds = (kind: string) => parts.filter((part) => part.kind === kind).map((part) => part.text);
	assert.deepEqual(kinds('comment'), ['/* a */', '-- end']);
	assert.deepEqual(kinds('word'), ['SELECT', 'FROM', 'WHERE']);
	assert.deepEqual(kinds('param'), ['{n:UInt8}']);
	assert.deepEqual(kinds('text'), ["'it''s'", '`b`', "'open"]);
});
