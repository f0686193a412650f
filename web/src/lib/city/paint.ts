/** Draws the homes on a canvas. */
import { token } from '../chart/palette.ts';
import type { Grid } from './grid.ts';
import { isSilent, LEVELS, levelOf, type Home } from './homes.ts';

export interface Colours {
	levels: string[];
	silent: string;
	unknown: string;
	surface: string;
	open: string;
}

/** Reads the scale from the tokens; `probe` resolves what a canvas cannot (color-mix of variables). */
export function readColours(probe: HTMLElement): Colours {
	const resolve = (name: string) => {
		probe.style.backgroundColor = `var(${name})`;
		return getComputedStyle(probe).backgroundColor;
	};
	return {
		levels: Array.from({ length: LEVELS }, (_, level) => resolve(`--heat-${level}`)),
		silent: token('--warn'),
		unknown: token('--muted'),
		surface: token('--panel-2'),
		open: token('--text')
	};
}

export interface Picture {
	grid: Grid;
	homes: readonly Home[];
	bounds: readonly number[];
	now: number;
	/** The open home's id. */
	open: number | null;
}

/** Paints all cells; the canvas must already have its size in device pixels. */
export function paint(canvas: HTMLCanvasElement, picture: Picture, colours: Colours): void {
	const context = canvas.getContext('2d');
	if (!context) return;
	const { grid, homes, bounds, now, open } = picture;
	const side = grid.size;
	context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
	context.clearRect(0, 0, canvas.width, canvas.height);
	for (const { x, y, index } of grid.cells) {
		const home = homes[index];
		if (!home) continue;
		const level = levelOf(home.energy, bounds);
		const silent = isSilent(home, now);
		context.fillStyle = silent || level === null ? colours.surface : (colours.levels[level] ?? colours.surface);
		context.beginPath();
		context.roundRect(x, y, side, side, 2);
		context.fill();
		if (silent || level === null || home.id === open) {
			context.strokeStyle = home.id === open ? colours.open : silent ? colours.silent : colours.unknown;
			context.lineWidth = home.id === open ? 2 : 1;
			context.setLineDash(level === null && !silent && home.id !== open ? [2, 2] : []);
			context.stroke();
		}
	}
}
