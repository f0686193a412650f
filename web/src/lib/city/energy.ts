/** Energy by region: rows of (minute, region, kW) to one line a region, and the sentence about them. */
import { numbers } from '../live/columns.ts';
import type { Columns } from '../live/types.ts';
import { decimal, percent } from '../format/number.ts';
import { regionName, sortRegions } from './regions.ts';

const MINUTE = 60_000;

/** The running minute is shown once this much of it is in; before, its estimate would jump. */
const ENOUGH_MS = 20_000;

export interface RegionLines {
	/** Ends of the minutes, epoch ms, ascending; of the running one the end of what is in. */
	ends: number[];
	lines: { region: string; kw: (number | null)[] }[];
	/** True when the last minute is still running and its figures are scaled up to a whole one. */
	running: boolean;
}

/**
 * Pivots the answer. The sum of the running minute still grows, and a line that always falls at its
 * right end would be a false statement: it is left out at first, then scaled by the share of the
 * minute that `lastTs` (event time of the newest reading, epoch ms) says is in.
 */
export function regionLines(columns: Columns | undefined, lastTs: number): RegionLines {
	const minute = numbers(columns, 'minute_ms');
	const kw = numbers(columns, 'kw');
	const region = (columns?.region ?? []).map((name) => String(name ?? ''));
	const shown = (ms: number | null): ms is number => ms !== null && lastTs - ms >= ENOUGH_MS;
	const scale = (ms: number) => MINUTE / Math.min(MINUTE, lastTs - ms);

	const minutes = [...new Set(minute.filter(shown))].sort((a, b) => a - b);
	const place = new Map(minutes.map((ms, index) => [ms, index]));
	const regions = sortRegions(region.filter((_, row) => shown(minute[row] ?? null)));
	const empty = () => new Array<number | null>(minutes.length).fill(null);
	const lines = regions.map((name) => ({ region: regionName(name), kw: empty() }));
	const lineOf = new Map(regions.map((name, index) => [name, lines[index]]));
	region.forEach((name, row) => {
		const ms = minute[row] ?? NaN;
		const index = place.get(ms);
		const value = kw[row] ?? null;
		const line = lineOf.get(name);
		if (index !== undefined && line) line.kw[index] = value === null ? null : value * scale(ms);
	});
	const ends = minutes.map((ms) => Math.min(ms + MINUTE, lastTs));
	return { ends, lines, running: lastTs - (minutes.at(-1) ?? 0) < MINUTE };
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

/** The chart in one sentence. */
export function energySentence(now: number | null, yesterday: number | null, span: number): string {
	const head = `kW by region, last ${span} minutes`;
	if (now === null) return `${head} · the first complete minute is still to come`;
	const compared = comparison(now, yesterday);
	const tail = compared ? `${compared} the same time yesterday` : 'nothing stored yet for the same time yesterday';
	return `${head} · now ${decimal(now, now < 100 ? 1 : 0, 'kW')}, ${tail}`;
}
