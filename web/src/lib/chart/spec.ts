/** What a chart is told to show; the drawing engines are known to the components that draw alone. */

export interface Series {
	name: string;
	/** One value for each x; null is a gap. */
	values: readonly (number | null)[];
}

/** A surface behind the lines: between which values something is expected. */
export interface Band {
	name: string;
	low: readonly (number | null)[];
	high: readonly (number | null)[];
}

/** Points of the first series that are ringed: what they have in common, and their places, ascending. */
export interface Marks {
	name: string;
	at: readonly number[];
}

/** Over time: line, area, bars, heatmap (a series a row). Over names: columns, pie. One value: gauge. */
export type ChartKind = 'line' | 'area' | 'bars' | 'columns' | 'pie' | 'heatmap' | 'gauge';

export interface ChartSpec {
	/** Ascending: epoch ms, or what `axis` says. */
	x: readonly number[];
	series: readonly Series[];
	/** Of lines alone. */
	band?: Band;
	marks?: Marks;
	/** Shown span of x, epoch ms; the data's own when left out. */
	span?: readonly [number, number];
	kind: ChartKind;
	/** What x is where it is not the place of a name: a time, unless this says a number. */
	axis?: 'time' | 'number';
	/** Times are shown as UTC writes them, not in the reader's zone. */
	utc?: boolean;
	unit: string;
	digits: number;
	/** What x is, over the table's first column; time when left out. */
	xName?: string;
	/** Writes an x in the read-out and the table. */
	formatX: (x: number) => string;
	/** Writes an x on the axis. */
	formatTick: (x: number) => string;
	/** The y axis starts at zero. */
	fromZero?: boolean;
	/** Areas and bars stand on each other. */
	stacked?: boolean;
	/** Ends of the y axis or of a gauge; by the data when left out. */
	low?: number | null;
	high?: number | null;
	/** From here on a value needs looking at, or is bad. */
	warn?: number | null;
	bad?: number | null;
}

/** The place of the last x shown that has a value in any series; −1 without one. */
export function lastIndex({ x, series, span }: ChartSpec): number {
	const known = (index: number) => series.some((one) => one.values[index] != null);
	const end = span?.[1] ?? Infinity;
	const shown = x.findLastIndex((at, index) => at <= end && known(index));
	return shown >= 0 ? shown : x.findLastIndex((_, index) => known(index));
}

/** Whether a chart is drawn over a time that can be zoomed into. */
export function isOverTime({ kind }: ChartSpec): boolean {
	return kind === 'line' || kind === 'area' || kind === 'bars';
}

/** How a value stands to the limits of its chart. */
export function toneOf(value: number | null | undefined, warn: number | null | undefined, bad: number | null | undefined): '' | 'warn' | 'bad' {
	if (value == null) return '';
	if (bad != null && value >= bad) return 'bad';
	return warn != null && value >= warn ? 'warn' : '';
}
