/** Energy by region: rows of (minute, region, kW) to one line a region, and the sentence about them. */
import { numbers, texts } from '../live/columns.ts';
import type { Columns } from '../live/types.ts';
import { decimal, percent } from '../format/number.ts';
import { ELSEWHERE, ownPlaces, regionName } from './regions.ts';

const MINUTE = 60_000;

export interface RegionLines {
	/** Ends of the minutes, epoch ms, ascending. */
	ends: number[];
	lines: { region: string; kw: (number | null)[] }[];
}

/** Pivots the answer, which has whole minutes only; a region without a place of its own is elsewhere. */
export function regionLines(columns: Columns | undefined): RegionLines {
	const minute = numbers(columns, 'minute_ms').map((ms) => ms ?? 0);
	const kw = numbers(columns, 'kw');
	const rows = numbers(columns, 'rows');
	const region = texts(columns, 'region');

	const readings = new Map<string, number>();
	region.forEach((name, row) => readings.set(name, (readings.get(name) ?? 0) + (rows[row] ?? 0)));
	const own = ownPlaces(readings);
	const names = own.length < readings.size ? [...own.map(regionName), ELSEWHERE] : own.map(regionName);

	const minutes = [...new Set(minute)].sort((a, b) => a - b);
	const place = new Map(minutes.map((ms, index) => [ms, index]));
	const lines = names.map((name) => ({ region: name, kw: new Array<number | null>(minutes.length).fill(null) }));
	region.forEach((name, row) => {
		const line = lines[own.includes(name) ? own.indexOf(name) : own.length];
		const index = place.get(minute[row] ?? 0);
		const value = kw[row] ?? null;
		if (line && index !== undefined && value !== null) line.kw[index] = (line.kw[index] ?? 0) + value;
	});
	return { ends: minutes.map((ms) => ms + MINUTE), lines };
}

/** All regions of each minute together, in kW. */
export function cityTotal({ ends, lines }: RegionLines): number[] {
	return ends.map((_, index) => lines.reduce((sum, line) => sum + (line.kw[index] ?? 0), 0));
}

/** «6 % above», «as much as», against another figure; null when there is none to compare with. */
export function comparison(now: number | null, before: number | null): string | null {
	if (now === null || before === null || before <= 0) return null;
	const share = now / before - 1;
	if (Math.abs(share) < 0.005) return 'as much as';
	return `${percent(Math.abs(share))} ${share > 0 ? 'above' : 'below'}`;
}

/**
 * The chart in one sentence. `now` is the last whole minute's kW; what is compared are quarters of an
 * hour, because the minutes of a history in which homes report every few minutes are mostly noise.
 */
export function energySentence(now: number | null, compared: string | null, span: number): string {
	const head = `kW by region, last ${span} minutes`;
	if (now === null) return `${head} · the first complete minute is still to come`;
	const tail = compared ? `in these ${span} minutes ${compared} yesterday` : 'nothing to compare with stored yet';
	return `${head} · now ${decimal(now, now < 100 ? 1 : 0, 'kW')}, ${tail}`;
}
