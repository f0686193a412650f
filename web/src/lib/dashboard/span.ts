/** A page's span of time as its address has it: `now-15m` and `now`, ISO times, epoch milliseconds. */
import { dayAndHour, minuteOfDay } from '../format/time.ts';

export interface Span {
	start: string;
	end: string;
}

const UNIT_MS: Readonly<Record<string, number>> = {
	s: 1_000,
	m: 60_000,
	h: 3_600_000,
	d: 86_400_000,
	w: 604_800_000,
	M: 2_592_000_000,
	y: 31_536_000_000
};
const RELATIVE = /^now(?:\s*-\s*(\d{1,9})([smhdwMy]))?$/;
const DAY = 86_400_000;

/** Epoch ms of one end at a moment; null where the text is no time. */
export function momentOf(text: string, now: number): number | null {
	const relative = RELATIVE.exec(text.trim());
	if (relative) return now - Number(relative[1] ?? 0) * (UNIT_MS[relative[2] ?? 's'] ?? 0);
	if (/^\d{1,15}$/.test(text)) return Number(text);
	const read = Date.parse(/[zZ]$|[+-]\d\d:?\d\d$/.test(text) || !text.includes('T') ? text : `${text}Z`);
	return Number.isNaN(read) ? null : read;
}

/** Both ends at a moment; null where they make no span. */
export function endsOf(span: Span, now: number): readonly [number, number] | null {
	const [start, end] = [momentOf(span.start, now), momentOf(span.end, now)];
	return start === null || end === null || start >= end ? null : [start, end];
}

/** Whether the span moves with the clock. */
export function follows(span: Span): boolean {
	return RELATIVE.test(span.end.trim());
}

export const PRESETS: readonly (readonly [string, string])[] = [
	['now-5m', '5 min'],
	['now-15m', '15 min'],
	['now-30m', '30 min'],
	['now-1h', '1 hour'],
	['now-6h', '6 hours'],
	['now-24h', '24 hours'],
	['now-7d', '7 days'],
	['now-30d', '30 days']
];

/** A span drawn with the mouse, in whole seconds: at least five. */
export function drawn(start: number, end: number): Span {
	const from = Math.floor(start / 1_000) * 1_000;
	const to = Math.max(Math.ceil(end / 1_000) * 1_000, from + 5_000);
	return { start: String(from), end: String(to) };
}

/** Twice as long around the same middle, not beyond now. */
export function wider(span: Span, now: number): Span {
	const ends = endsOf(span, now);
	if (!ends) return span;
	const [start, end] = ends;
	const half = end - start;
	const middle = (start + end) / 2;
	return drawn(middle - half, Math.min(now, middle + half));
}

/** «last 15 min», or from when to when. */
export function spanName(span: Span, now: number): string {
	const preset = PRESETS.find(([start]) => start === span.start);
	if (preset && span.end === 'now') return `last ${preset[1]}`;
	if (span.end === 'now' && RELATIVE.test(span.start)) return `last ${span.start.replace(/^now\s*-\s*/, '')}`;
	const ends = endsOf(span, now);
	if (!ends) return 'no span';
	const long = ends[1] - ends[0] > DAY || now - ends[0] > DAY;
	const write = long ? dayAndHour : minuteOfDay;
	return `${write(ends[0])} to ${write(ends[1])}`;
}
