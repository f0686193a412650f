/** From rows to a chart: which column goes across, which are drawn, what splits them into lines. */
import type { ChartSpec, Series } from '../chart/spec.ts';
import { count, decimal } from '../format/number.ts';
import { cellOf } from './cell.ts';
import { isNumber, isTime, kindOf } from './kinds.ts';
import type { Answer } from './types.ts';

type Drawn = 'line' | 'area' | 'bars' | 'columns' | 'pie';

/** What somebody chose; an empty one is chosen by us. */
export interface Wish {
	across: string;
	drawn: string;
	split: string;
	kind: '' | Drawn;
}

export const NO_WISH: Wish = { across: '', drawn: '', split: '', kind: '' };

export interface Drawing {
	spec: ChartSpec;
	title: string;
	sentence: string;
	/** As what it can be drawn. */
	kinds: readonly Drawn[];
	/** What was chosen where nothing was wished. */
	wish: Wish;
}

const MOST_LINES = 6;
const MOST_PLACES = 60;
const DAY = 86_400_000;
const IDENTIFIER = /(?:^|_)id$/i;

/** Columns that may go across, be drawn, or split. */
export function choices(answer: Answer): { across: string[]; drawn: string[]; split: string[] } {
	const numbers = answer.columns.filter(({ type }) => isNumber(kindOf(type))).map(({ name }) => name);
	const others = answer.columns.filter(({ type }) => !isNumber(kindOf(type)) && !isTime(kindOf(type))).map(({ name }) => name);
	const times = answer.columns.filter(({ type }) => isTime(kindOf(type))).map(({ name }) => name);
	return { across: [...times, ...others, ...numbers], drawn: numbers, split: [...others, ...numbers] };
}

/** The chart of an answer, or why there is none. */
export function drawingOf(answer: Answer, asked: Wish): Drawing | string {
	const can = choices(answer);
	if (answer.rows.length === 0) return 'There is no row to draw.';
	if (can.drawn.length === 0) return 'There is no column of numbers to draw: count() or sum(…) would be one.';
	if (answer.columns.length < 2) return 'One column is no chart: add what it goes across, such as toStartOfHour(ts).';
	const across = can.across.includes(asked.across) ? asked.across : (can.across.find((name) => name !== can.drawn.at(-1)) ?? '');
	const kindAcross = kindOf(answer.columns.find(({ name }) => name === across)?.type ?? '');
	const axis = isTime(kindAcross) ? 'time' : isNumber(kindAcross) ? 'number' : 'place';
	const others = can.drawn.filter((name) => name !== across);
	// The number of a home is no height; it may tell lines apart.
	const heights = others.filter((name) => !IDENTIFIER.test(name));
	const lines = heights.length ? heights : others;
	const split = asked.split === '-' ? '' : can.split.includes(asked.split) && asked.split !== across ? asked.split : axis === 'place' ? '' : splitOf(answer, across);
	const drawn = others.includes(asked.drawn) ? [asked.drawn] : split ? lines.filter((name) => name !== split).slice(0, 1) : lines.slice(0, MOST_LINES);
	if (drawn.length === 0) return 'There is no column of numbers beside the one that goes across.';
	const kinds: readonly Drawn[] = axis !== 'place' ? ['line', 'area', 'bars'] : drawn.length === 1 && !split ? ['columns', 'pie'] : ['columns'];
	const kind = kinds.find((one) => one === asked.kind) ?? kinds[0] ?? 'line';
	const { x, labels, series, left } = pivot(answer, across, drawn, split, axis);
	if (x.length === 0) return `No value of ${across} can be placed.`;
	const spec: ChartSpec = {
		x, series, kind, unit: '', digits: digitsOf(series),
		xName: across,
		utc: true,
		formatX: (at) => labels.get(at) ?? '',
		formatTick: axis === 'time' ? tickOf((x.at(-1) ?? 0) - (x[0] ?? 0)) : axis === 'place' ? (at) => labels.get(at) ?? '' : (at) => decimal(at, Number.isInteger(at) ? 0 : 2),
		...(axis === 'number' ? { axis } : {})
	};
	const what = split ? `${drawn[0]} by ${split}` : drawn.join(', ');
	const one = drawn.length === 1 ? (drawn[0] ?? '') : '';
	return { spec, title: what, kinds, sentence: sentenceOf(spec, across, left), wish: { across, drawn: one, split, kind } };
}

/** A column of few texts beside a time: a line each. */
function splitOf(answer: Answer, across: string): string {
	const rest = answer.columns.filter(({ name, type }) => name !== across && !isTime(kindOf(type)));
	const words = rest.filter(({ type }) => !isNumber(kindOf(type)));
	const texts = words.length || rest.length < 2 ? words : rest.filter(({ name }) => IDENTIFIER.test(name));
	const [only] = texts;
	if (texts.length !== 1 || !only) return '';
	const at = answer.columns.indexOf(only);
	return new Set(answer.rows.map((row) => row[at])).size <= 4 * MOST_LINES ? only.name : '';
}

interface Pivoted {
	x: number[];
	labels: Map<number, string>;
	series: Series[];
	/** What did not fit. */
	left: string;
}

function pivot(answer: Answer, across: string, drawn: readonly string[], split: string, axis: string): Pivoted {
	const place = (name: string) => answer.columns.findIndex((column) => column.name === name);
	const [xAt, splitAt] = [place(across), place(split)];
	const type = answer.columns[xAt]?.type ?? '';
	const labels = new Map<number, string>();
	const seen = new Map<string, number>();
	const points: { x: number; row: readonly unknown[] }[] = [];
	for (const row of answer.rows) {
		const text = cellOf(row[xAt], type).text;
		if (axis === 'place' && !seen.has(text)) seen.set(text, seen.size);
		const x = axis === 'place' ? (seen.get(text) ?? 0) : axis === 'time' ? instantOf(String(row[xAt])) : Number(row[xAt]);
		if (row[xAt] === null || !Number.isFinite(x) || (axis === 'place' && x >= MOST_PLACES)) continue;
		labels.set(x, text);
		points.push({ x, row });
	}
	const x = [...labels.keys()].sort((a, b) => a - b);
	const index = new Map(x.map((one, at) => [one, at]));
	const names = split ? commonest(points.map(({ row }) => cellOf(row[splitAt], answer.columns[splitAt]?.type ?? '').text)) : drawn;
	const series = names.slice(0, MOST_LINES).map((name) => ({ name, values: new Array<number | null>(x.length).fill(null) }));
	const taken = new Set<string>();
	let doubled = false;
	for (const { x: at, row } of points) {
		const spotted = split ? `${at} ${String(row[splitAt])}` : String(at);
		doubled ||= taken.has(spotted);
		taken.add(spotted);
		const spot = index.get(at) ?? 0;
		if (split) {
			const line = series[names.indexOf(cellOf(row[splitAt], answer.columns[splitAt]?.type ?? '').text)];
			if (line) line.values[spot] = numberOf(row[place(drawn[0] ?? '')]);
		} else drawn.forEach((name, at) => series[at] && (series[at].values[spot] = numberOf(row[place(name)])));
	}
	const left = [
		doubled ? `several rows of one place, of which the last is drawn: group by ${[across, split].filter(Boolean).join(', ')}` : '',
		names.length > MOST_LINES ? `${names.length - MOST_LINES} more of ${split} are left out` : '',
		seen.size > MOST_PLACES ? `the first ${MOST_PLACES} of ${seen.size} ${across}` : ''
	].filter(Boolean).join('; ');
	return { x, labels, series, left };
}

function commonest(values: readonly string[]): string[] {
	const counts = new Map<string, number>();
	for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
	return [...counts].sort((a, b) => b[1] - a[1]).map(([value]) => value);
}

function numberOf(value: unknown): number | null {
	const number = value === null || value === undefined || value === '' ? Number.NaN : Number(value);
	return Number.isFinite(number) ? number : null;
}

/** ClickHouse writes times without a zone: they are drawn as they are written. */
export function instantOf(text: string): number {
	return Date.parse(`${text.length === 10 ? `${text}T00:00:00` : text.replace(' ', 'T')}Z`);
}

function digitsOf(series: readonly Series[]): number {
	let most = 0;
	let whole = true;
	for (const { values } of series) {
		for (const value of values) {
			if (value === null) continue;
			most = Math.max(most, Math.abs(value));
			whole &&= Number.isInteger(value);
		}
	}
	return whole ? 0 : most < 1 ? 4 : most < 100 ? 2 : 1;
}

function tickOf(span: number): (ms: number) => string {
	const options: Intl.DateTimeFormatOptions = span <= DAY ? { hour: '2-digit', minute: '2-digit' }
		: span <= 3 * DAY ? { day: 'numeric', hour: '2-digit', minute: '2-digit' }
			: span <= 300 * DAY ? { day: 'numeric', month: 'short' } : { month: 'short', year: 'numeric' };
	const formatter = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: 'UTC' });
	return (ms) => formatter.format(ms);
}

/** «20 points across day, from 3.1 to 9.8». */
function sentenceOf(spec: ChartSpec, across: string, left: string): string {
	const values = spec.series.flatMap((one) => one.values).filter((value): value is number => value !== null);
	const [low, high] = values.reduce(([min, max], value) => [Math.min(min, value), Math.max(max, value)], [Infinity, -Infinity]);
	const range = values.length ? `, from ${decimal(low, spec.digits)} to ${decimal(high, spec.digits)}` : '';
	return `${count(values.length, 'point')} across ${across}${range}${left ? `; ${left}` : ''}`;
}
