/** Which rows of a long table are drawn, and how wide its columns are. */
import { cellOf } from './cell.ts';
import type { Answer } from './types.ts';

export const ROW_PX = 28;
const AROUND = 12;
const LETTER_PX = 7.3;
const LEAST_PX = 64;
const MOST_PX = 380;
const LOOKED_AT = 80;

/** From the first row drawn to the one after the last. */
export function windowOf(scrolled: number, height: number, rows: number): [number, number] {
	const first = Math.max(0, Math.floor(scrolled / ROW_PX) - AROUND);
	return [Math.min(first, Math.max(0, rows - 1)), Math.min(rows, Math.ceil((scrolled + height) / ROW_PX) + AROUND)];
}

/** By the longest of the first rows, within bounds. */
export function widthsOf({ columns, rows }: Answer): number[] {
	return columns.map(({ name, type }, at) => {
		let letters = Math.max(name.length, type.length * 0.82) + 1;
		for (const row of rows.slice(0, LOOKED_AT)) letters = Math.max(letters, cellOf(row[at], type).text.length);
		return Math.round(Math.min(MOST_PX, Math.max(LEAST_PX, letters * LETTER_PX + 20)));
	});
}
