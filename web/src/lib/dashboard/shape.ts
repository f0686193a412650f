/** From a panel and the columns of its answer to what a chart draws. */
import type { ChartKind, ChartSpec, Series } from '../chart/spec.ts';
import { day, dayAndHour, minuteOfDay, secondOfDay } from '../format/time.ts';
import { toNumber } from '../live/columns.ts';
import type { Columns } from '../live/types.ts';
import type { Panel } from './types.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Numbers below are epoch seconds, which reach it in the year 5138. */
const LEAST_MS = 1e11;
/** More lines than this nobody can tell apart; a heat map has a row for each. */
const MOST_SERIES = 12;
const MOST_ROWS = 60;

const LETTER_T = 84;
const ZERO = 48;
/** The minute that was read last, and its epoch ms: the next row is mostly of the same. */
let minute = '';
let minuteMs = 0;

/** `2026-01-31T12:00:09.250Z`, by its digits: ten times as fast as Date.parse, which a live chart feels. */
function clockTime(cell: string): number | null {
	if (!cell.endsWith('Z') || (cell.length !== 20 && cell.length !== 24)) return Date.parse(cell) || null;
	if (!cell.startsWith(minute) || minute === '') {
		minute = cell.slice(0, 17);
		minuteMs = Date.parse(`${minute}00Z`);
	}
	let ms = ((cell.charCodeAt(17) - ZERO) * 10 + cell.charCodeAt(18) - ZERO) * 1000;
	if (cell.length === 24) ms += (cell.charCodeAt(20) - ZERO) * 100 + (cell.charCodeAt(21) - ZERO) * 10 + cell.charCodeAt(22) - ZERO;
	return Number.isNaN(minuteMs) ? null : minuteMs + ms;
}

/** Epoch ms of a cell that holds a time. */
export function timeOf(cell: unknown): number | null {
	if (typeof cell === 'string' && cell.charCodeAt(10) === LETTER_T) return clockTime(cell);
	if (typeof cell === 'string' && /\D/.test(cell)) {
		const read = Date.parse(cell);
		return Number.isNaN(read) ? null : read;
	}
	const value = toNumber(cell);
	return value === null ? null : value < LEAST_MS ? value * 1000 : value;
}

function isNumeric(cells: readonly unknown[]): boolean {
	return cells.some((cell) => toNumber(cell) !== null) && cells.every((cell) => cell === null || toNumber(cell) !== null);
}

/** The columns that are drawn. */
export function valueColumns(panel: Panel, columns: Columns): string[] {
	if (panel.values.length) return panel.values.filter((name) => columns[name]);
	return Object.keys(columns).filter((name) => name !== panel.time && name !== panel.by && isNumeric(columns[name] ?? []));
}

export function spoken(column: string): string {
	return column.replaceAll('_', ' ');
}

export interface Shaped {
	x: readonly number[];
	series: readonly Series[];
	/** Names of x where it is no time. */
	names: readonly string[];
	/** Series that were left out, because there are too many. */
	left: number;
}

/** The answer as series over one x. Rows may come in any order; of two for one place the last holds. */
export function shaped(panel: Panel, columns: Columns): Shaped {
	const values = valueColumns(panel, columns);
	return panel.time ? overTime(panel, columns, values) : overNames(panel, columns, values);
}

function overNames(panel: Panel, columns: Columns, values: readonly string[]): Shaped {
	const names = (columns[panel.by] ?? columns[values[0] ?? ''] ?? []).map((cell, row) => (panel.by ? String(cell ?? '') : String(row + 1)));
	const series = values.map((name) => ({ name: spoken(name), values: (columns[name] ?? []).map(toNumber) }));
	return { x: names.map((_, index) => index), series, names, left: 0 };
}

function overTime(panel: Panel, columns: Columns, values: readonly string[]): Shaped {
	const times = (columns[panel.time] ?? []).map(timeOf);
	const sorted = times.every((time, row) => time !== null && (row === 0 || time > (times[row - 1] ?? 0)));
	if (!panel.by && sorted) {
		const series = values.map((name) => ({ name: spoken(name), values: (columns[name] ?? []).map(toNumber) }));
		return { x: times as number[], series, names: [], left: 0 };
	}
	const x = [...new Set(times.filter((time) => time !== null))].sort((a, b) => a - b);
	const place = new Map(x.map((time, index) => [time, index]));
	const found = new Map<string, (number | null)[]>();
	const groups = columns[panel.by] ?? [];
	for (const [row, time] of times.entries()) {
		if (time === null) continue;
		for (const name of values) {
			const group = panel.by ? String(groups[row] ?? '') : '';
			const key = !group ? spoken(name) : values.length > 1 ? `${group} ${spoken(name)}` : group;
			const cells = found.get(key) ?? found.set(key, Array<null>(x.length).fill(null)).get(key)!;
			cells[place.get(time) ?? 0] = toNumber(columns[name]?.[row]);
		}
	}
	const most = panel.kind === 'heatmap' ? MOST_ROWS : MOST_SERIES;
	const all = [...found].map(([name, cells]) => ({ name, values: cells }));
	return { x, series: all.slice(0, most), names: [], left: Math.max(0, all.length - most) };
}

const KINDS: Partial<Record<Panel['kind'], ChartKind>> = { line: 'line', area: 'area', heatmap: 'heatmap', pie: 'pie', gauge: 'gauge' };

/** How times are written where this much is shown. */
export function writers(length: number): { formatX: (ms: number) => string; formatTick: (ms: number) => string } {
	if (length > 3 * DAY) return { formatX: dayAndHour, formatTick: day };
	if (length > 20 * HOUR) return { formatX: dayAndHour, formatTick: minuteOfDay };
	return length > HOUR ? { formatX: minuteOfDay, formatTick: minuteOfDay } : { formatX: secondOfDay, formatTick: minuteOfDay };
}

/** The whole chart. `span` holds where the panel's query follows the page's span. */
export function specOf(panel: Panel, { x, series, names }: Shaped, span: readonly [number, number] | null): ChartSpec {
	const overNames = !panel.time;
	const shown = panel.spans.includes('from') && span ? span : undefined;
	const length = shown ? shown[1] - shown[0] : (x.at(-1) ?? 0) - (x[0] ?? 0);
	const name = (place: number) => names[place] ?? '';
	const write = overNames ? { formatX: name, formatTick: name } : writers(length);
	return {
		x,
		series,
		kind: KINDS[panel.kind] ?? (overNames ? 'columns' : 'bars'),
		unit: panel.unit,
		digits: panel.digits,
		...write,
		...(overNames ? { xName: spoken(panel.by || 'row') } : {}),
		...(shown ? { span: shown } : {}),
		stacked: panel.stacked,
		low: panel.low,
		high: panel.high,
		warn: panel.warn,
		bad: panel.bad
	};
}
