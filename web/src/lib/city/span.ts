/** Which hours of a home are shown, as the address says it: `from` and `to` of the dashboards, in whole hours. */
import { endsOf, type Span } from '../dashboard/span.ts';
import { HOUR } from './expected.ts';

export const WEEK: Span = { start: 'now-7d', end: 'now' };
export const SPANS: readonly (readonly [string, string])[] = [
	['now-24h', '24 h'],
	['now-7d', '7 days'],
	['now-30d', '30 days']
];

/** How far back an answer may reach; one of few lengths, so that a zoom within one asks for nothing. */
const LENGTHS = [168, 720, 2160, 8760];
/** Fewer hours make no line. */
const LEAST = 6 * HOUR;
/** What stands on either side of a spell that is looked at. */
const AROUND = 12 * HOUR;

/** What the address says, else the last week. */
export function spanOf(from: string | null, to: string | null, now: number): Span {
	const asked = { start: from ?? WEEK.start, end: to ?? WEEK.end };
	return endsOf(asked, now) ? asked : WEEK;
}

/** Hours to ask for, so that the span is in them. */
export function hoursFor(span: Span, now: number): number {
	const from = endsOf(span, now)?.[0] ?? now;
	const needed = Math.ceil((now - from) / HOUR);
	return LENGTHS.find((length) => length >= needed) ?? LENGTHS[LENGTHS.length - 1] ?? 168;
}

/** A span drawn or asked for by key, in whole hours: six at least, a year back at most, not beyond now. */
export function zoomed(start: number, end: number, now: number): Span {
	const oldest = now - (LENGTHS.at(-1) ?? 0) * HOUR;
	const short = Math.max(0, LEAST - (end - start)) / 2;
	const to = Math.ceil((end + short) / HOUR) * HOUR;
	const from = Math.floor(Math.max(oldest, Math.min(start - short, now - LEAST)) / HOUR) * HOUR;
	return { start: String(from), end: to >= now ? 'now' : String(Math.max(to, from + LEAST)) };
}

/** Some hours on either side of a spell. */
export function around({ start, end }: { start: number; end: number }, now: number): Span {
	return zoomed(start - AROUND, end + AROUND, now);
}
