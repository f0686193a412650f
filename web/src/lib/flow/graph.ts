/** Where each part of the project stands in the picture, and how the wires between them run. */
import type { FlowGraph, FlowNode } from '../live/types.ts';

export type Stage = FlowNode['stage'];
export const STAGES: readonly Stage[] = ['sources', 'bronze', 'silver', 'gold', 'serve'];

const TALL = 80;
const SHORT = 36;
const SPACE = 10;
/** Under the headings of the columns. */
const TOP = 30;
const GAP_SHARE = 0.036;
/** Between the nodes and what stands in the free room under them. */
const FREE_SPACE = 28;
/** How far a wire within a column swings out. */
const SWING = 16;
const EDGE = 2 * SWING;

export interface Box {
	x: number;
	y: number;
	width: number;
	height: number;
}

export interface Line {
	from: string;
	to: string;
	carries: boolean;
	/** An SVG path. */
	d: string;
}

export interface Laid {
	boxes: ReadonlyMap<string, Box>;
	lines: Line[];
	/** What the cards of each column take up, with the room between them: no wire shows in there. */
	covered: readonly Box[];
	/** Left edge of each column. */
	columns: Readonly<Record<Stage, number>>;
	/** Under the first columns, which are mostly short: from the left edge, room for something else. */
	free: Box;
	width: number;
	height: number;
}

/** What only asks, and stores nothing, needs one line. */
export function isShort({ kind }: FlowNode): boolean {
	return kind === 'view' || kind === 'endpoint' || kind === 'alert' || kind === 'file';
}

function first({ kind }: FlowNode): number {
	return kind === 'alert' ? 0 : isShort({ kind } as FlowNode) ? 2 : 1;
}

/** Each column in order: alerts and tables first, and then each near what it reads. */
export function ordered({ nodes, wires }: FlowGraph): Record<Stage, FlowNode[]> {
	const places = new Map<string, number>();
	const columns = {} as Record<Stage, FlowNode[]>;
	for (const stage of STAGES) {
		const mine = nodes.filter((node) => node.stage === stage);
		const wanted = new Map(mine.map((node) => [node.id, meanPlace(node.id, wires, places)]));
		const sorted = mine.toSorted((a, b) => first(a) - first(b) || (wanted.get(a.id) ?? 0) - (wanted.get(b.id) ?? 0) || a.name.localeCompare(b.name));
		sorted.forEach((node, index) => places.set(node.id, sorted.length > 1 ? index / (sorted.length - 1) : 0.5));
		columns[stage] = sorted;
	}
	return columns;
}

function meanPlace(id: string, wires: FlowGraph['wires'], places: ReadonlyMap<string, number>): number {
	const known = wires.filter((wire) => wire.to === id).flatMap((wire) => places.get(wire.from) ?? []);
	return known.length ? known.reduce((a, b) => a + b) / known.length : 0.5;
}

/** Boxes and wires for a picture of this width, in px. */
export function layGraph(graph: FlowGraph, width: number): Laid {
	const gap = Math.max(24, width * GAP_SHARE);
	const wide = (width - gap * (STAGES.length - 1)) / STAGES.length;
	const columns = Object.fromEntries(STAGES.map((stage, index) => [stage, index * (wide + gap)])) as Record<Stage, number>;
	const boxes = new Map<string, Box>();
	const covered: Box[] = [];
	let height = TOP;
	for (const [stage, nodes] of Object.entries(ordered(graph)) as [Stage, FlowNode[]][]) {
		let y = TOP;
		for (const node of nodes) {
			const tall = isShort(node) ? SHORT : TALL;
			boxes.set(node.id, { x: columns[stage], y, width: wide, height: tall });
			y += tall + SPACE;
		}
		if (nodes.length) covered.push({ x: columns[stage], y: TOP, width: wide, height: y - SPACE - TOP });
		height = Math.max(height, y - SPACE);
	}
	const lines = graph.wires.flatMap(({ from, to, carries }) => {
		const [start, end] = [boxes.get(from), boxes.get(to)];
		return start && end ? [{ from, to, carries, d: pathOf(start, end) }] : [];
	});
	const left = graph.nodes.filter((node) => columns[node.stage] < columns.gold).flatMap((node) => boxes.get(node.id) ?? []);
	const y = Math.max(TOP, ...left.map((box) => box.y + box.height)) + FREE_SPACE;
	const free = { x: 0, y, width: columns.gold - gap, height: height - y };
	return { boxes, lines, covered, columns, free, width, height };
}

function pathOf(start: Box, end: Box): string {
	const [y1, y2] = [start.y + start.height / 2, end.y + end.height / 2];
	if (start.x === end.x) {
		const out = start.x - SWING;
		return `M${round(start.x)} ${round(y1)}C${round(out)} ${round(y1)} ${round(out)} ${round(y2)} ${round(end.x)} ${round(y2)}`;
	}
	const x1 = start.x + start.width;
	const bend = (end.x - x1) / 2;
	return `M${round(x1)} ${round(y1)}C${round(x1 + bend)} ${round(y1)} ${round(end.x - bend)} ${round(y2)} ${round(end.x)} ${round(y2)}`;
}

/** A clip path that leaves wires out where they run behind cards: between two they would be specks. */
export function clipOf({ covered, width, height }: Pick<Laid, 'covered' | 'width' | 'height'>): string {
	const all = `M${-EDGE} ${-EDGE}H${round(width) + EDGE}V${height + EDGE}H${-EDGE}Z`;
	const holes = covered.map((box) => `M${round(box.x)} ${box.y}h${round(box.width)}v${box.height}h${round(-box.width)}Z`);
	return `path(evenodd, "${[all, ...holes].join('')}")`;
}

function round(value: number): number {
	return Math.round(value * 10) / 10;
}

/** A node, all that it comes from and all that comes of it. */
export function lineage(id: string, wires: FlowGraph['wires']): ReadonlySet<string> {
	return new Set([...reach(id, wires, 'to', 'from'), ...reach(id, wires, 'from', 'to')]);
}

/** What rows of a node come to, itself among it. */
export function downstream(id: string, wires: FlowGraph['wires']): ReadonlySet<string> {
	return reach(id, wires, 'from', 'to');
}

function reach(id: string, wires: FlowGraph['wires'], near: 'from' | 'to', far: 'from' | 'to'): Set<string> {
	const found = new Set([id]);
	for (const one of found) {
		for (const wire of wires) if (wire[near] === one) found.add(wire[far]);
	}
	return found;
}

/** Seconds that a point takes along a wire: the more rows the faster, in steps, so that it seldom jumps. */
export function paceOf(rate: number | null | undefined): number | null {
	if (!rate || rate <= 0) return null;
	const magnitude = Math.round(Math.log10(Math.max(rate, 1)) * 2) / 2;
	return Math.max(0.9, Math.round((4 - magnitude * 0.7) * 10) / 10);
}
