/** What a chart is told to show; the drawing engine is known to `options.ts` alone. */

export interface Series {
	name: string;
	/** One value for each x; null is a gap. */
	values: readonly (number | null)[];
}

export interface ChartSpec {
	/** Ascending: epoch ms, or what `axis` says. */
	x: readonly number[];
	series: readonly Series[];
	/** Shown span of x, epoch ms; the data's own when left out. */
	span?: readonly [number, number];
	kind: 'line' | 'bars';
	/** What x is: a time (so it is where this is left out), a number, or the place of something named. */
	axis?: 'time' | 'number' | 'place';
	/** What x is called; «Time» where this is left out. */
	xName?: string;
	/** Times are shown as UTC writes them, not in the reader's zone. */
	utc?: boolean;
	unit: string;
	digits: number;
	/** Writes an x in the read-out and the table. */
	formatX: (ms: number) => string;
	/** Writes an x on the axis. */
	formatTick: (ms: number) => string;
	/** The y axis starts at zero. */
	fromZero?: boolean;
}

/** The place of the last x that has a value in any series; −1 without one. */
export function lastIndex({ x, series }: ChartSpec): number {
	for (let index = x.length - 1; index >= 0; index -= 1) {
		if (series.some((one) => one.values[index] != null)) return index;
	}
	return -1;
}
