/** Colours from the page's tokens, dashes so that no series hangs on colour alone. */

const COLOURS = ['--c1', '--c2', '--c3', '--c4', '--c5', '--c6'] as const;
const DASHES: readonly (readonly number[])[] = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 6], [1, 5]];

export function colourToken(index: number): string {
	return COLOURS[index % COLOURS.length] ?? '--c1';
}

export function dash(index: number): number[] {
	return [...(DASHES[index % DASHES.length] ?? [])];
}

/** The token's value under the theme that holds now. */
export function token(name: string): string {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
