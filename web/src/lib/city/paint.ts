/** Draws the homes on a canvas. */
import { token } from '../chart/palette.ts';
import type { Grid } from './grid.ts';
import { LEVELS, levelOf, type Home } from './homes.ts';
import { stateOf, type Known } from './states.ts';

export interface Colours {
	levels: string[];
	firing: string;
	odd: string;
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
		firing: token('--bad'),
		odd: token('--warn'),
		unknown: token('--muted'),
		surface: token('--panel-2'),
		open: token('--text')
	};
}

export interface Picture {
	grid: Grid;
	homes: readonly Home[];
	bounds: readonly number[];
	known: Known;
	now: number;
	/** The open home's id. */
	open: number | null;
}

/** The forms of the states in a square of side 1, so that none hangs on its colour alone. */
export const FORMS = {
	/** A triangle. */
	firing: [[0.5, 0.04], [1, 0.96], [0, 0.96]],
	/** A diamond. */
	odd: [[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5]]
} as const;

function polygon(context: CanvasRenderingContext2D, form: readonly (readonly [number, number])[], [x, y, side]: readonly [number, number, number]): void {
	context.beginPath();
	for (const [right, down] of form) context.lineTo(x + right * side, y + down * side);
	context.closePath();
	context.fill();
}

/** Paints all cells; the canvas must already have its size in device pixels. */
export function paint(canvas: HTMLCanvasElement, picture: Picture, colours: Colours): void {
	const context = canvas.getContext('2d');
	if (!context) return;
	const { grid, homes, bounds, known, now, open } = picture;
	const side = grid.size;
	context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
	context.clearRect(0, 0, canvas.width, canvas.height);
	for (const { x, y, index } of grid.cells) {
		const home = homes[index];
		if (!home) continue;
		const state = stateOf(home, known, now);
		if (state === 'firing' || state === 'odd') {
			context.fillStyle = colours[state];
			polygon(context, FORMS[state], [x, y, side]);
		} else {
			square(context, [x, y, side], state === 'silent' ? null : levelOf(home.energy, bounds), colours);
			if (state === 'silent') cross(context, [x, y, side], colours.unknown);
		}
		if (home.id === open) outline(context, [x, y, side], { colour: colours.open, width: 2 });
	}
}

/** A square in the colour of its level; without one it is empty, within dashes. */
function square(context: CanvasRenderingContext2D, [x, y, side]: readonly [number, number, number], level: number | null, colours: Colours): void {
	context.fillStyle = level === null ? colours.surface : (colours.levels[level] ?? colours.surface);
	context.beginPath();
	context.roundRect(x, y, side, side, 2);
	context.fill();
	if (level === null) outline(context, [x, y, side], { colour: colours.unknown, width: 1, dash: [2, 2] });
}

/** A silent home: an empty square with a line through it. */
function cross(context: CanvasRenderingContext2D, [x, y, side]: readonly [number, number, number], colour: string): void {
	outline(context, [x, y, side], { colour, width: 1 });
	context.beginPath();
	context.moveTo(x, y + side);
	context.lineTo(x + side, y);
	context.stroke();
}

function outline(context: CanvasRenderingContext2D, [x, y, side]: readonly [number, number, number], { colour, width, dash = [] }: { colour: string; width: number; dash?: number[] }): void {
	context.strokeStyle = colour;
	context.lineWidth = width;
	context.setLineDash(dash);
	context.beginPath();
	context.roundRect(x, y, side, side, 2);
	context.stroke();
	context.setLineDash([]);
}
