/** Where each home's cell lies on the canvas, and which cell lies where. */
import type { Block } from './homes.ts';

export interface CellAt {
	x: number;
	y: number;
	/** Place of the home in the order of the blocks. */
	index: number;
}

export interface Grid {
	/** Side of a cell, without the gap, in CSS pixels. */
	size: number;
	height: number;
	cells: CellAt[];
	labels: { name: string; homes: number; x: number; y: number }[];
}

export const LABEL_HEIGHT = 22;
const BLOCK_GAP = 24;
const GAP = 2;

/** Lays the blocks side by side: four on a wide page, two on a phone. */
export function layGrid(blocks: readonly Block[], width: number): Grid {
	const wide = width >= 720;
	const across = Math.min(Math.max(1, blocks.length), wide ? 4 : 2);
	const gap = wide ? BLOCK_GAP : 16;
	const blockWidth = (width - gap * (across - 1)) / across;
	const pitch = wide ? 15 : 12;
	const columns = Math.max(4, Math.floor((blockWidth + GAP) / pitch));
	const step = (blockWidth + GAP) / columns;
	const grid: Grid = { size: step - GAP, height: 0, cells: [], labels: [] };

	let top = 0;
	for (let row = 0; row < blocks.length; row += across) {
		let tallest = 0;
		blocks.slice(row, row + across).forEach((block, place) => {
			const left = place * (blockWidth + gap);
			grid.labels.push({ name: block.name, homes: block.homes.length, x: left, y: top });
			block.homes.forEach((_, cell) => {
				const x = left + (cell % columns) * step;
				const y = top + LABEL_HEIGHT + Math.floor(cell / columns) * step;
				grid.cells.push({ x, y, index: grid.cells.length });
			});
			tallest = Math.max(tallest, LABEL_HEIGHT + Math.ceil(block.homes.length / columns) * step);
		});
		top += tallest + 16;
	}
	grid.height = Math.max(0, top - 16);
	return grid;
}

/** The cell under a point, or null between cells. */
export function cellAt(grid: Grid, x: number, y: number): CellAt | null {
	const reach = grid.size + GAP;
	return grid.cells.find((cell) => x >= cell.x && x < cell.x + reach && y >= cell.y && y < cell.y + reach) ?? null;
}

export type Direction = 'left' | 'right' | 'up' | 'down';

/** The cell an arrow key leads to: the next in order sideways, the nearest row up and down. */
export function neighbour(grid: Grid, index: number, direction: Direction): number {
	if (direction === 'left') return Math.max(0, index - 1);
	if (direction === 'right') return Math.min(grid.cells.length - 1, index + 1);
	const here = grid.cells[index];
	if (!here) return index;
	const sign = direction === 'down' ? 1 : -1;
	let best = index;
	let bestCost = Infinity;
	for (const cell of grid.cells) {
		const ahead = (cell.y - here.y) * sign;
		if (ahead < grid.size / 2) continue;
		const cost = ahead + Math.abs(cell.x - here.x) * 3;
		if (cost < bestCost) [best, bestCost] = [cell.index, cost];
	}
	return best;
}
