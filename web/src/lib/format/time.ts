/** Times and spans as the page writes them, in the reader's own time zone, on a 24-hour clock. */
import { decimal } from './number.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function format(options: Intl.DateTimeFormatOptions): (ms: number) => string {
	const formatter = new Intl.DateTimeFormat('en-GB', options);
	return (ms) => formatter.format(ms);
}

/** 14:02 */
export const minuteOfDay = format({ hour: '2-digit', minute: '2-digit' });
/** 14:02:09 */
export const secondOfDay = format({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
/** Sat 21 */
export const day = format({ weekday: 'short', day: 'numeric' });
/** Sat 21, 14:00 */
export const dayAndHour = format({ weekday: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });

/** A span in the largest unit that says enough: 0.4 s, 42 s, 12 min, 3 h, 2 days. */
export function duration(ms: number): string {
	if (ms < 9_950) return decimal(ms / 1000, 1, 's');
	if (ms < MINUTE) return decimal(Math.floor(ms / 1000), 0, 's');
	if (ms < HOUR) return decimal(Math.floor(ms / MINUTE), 0, 'min');
	if (ms < 2 * DAY) return decimal(Math.floor(ms / HOUR), 0, 'h');
	return decimal(Math.floor(ms / DAY), 0, 'days');
}

/** A short span, exactly: 3.2 ms, 410 ms, 12.4 s. */
export function milliseconds(ms: number): string {
	if (ms >= 10_000) return decimal(ms / 1000, 1, 's');
	return decimal(ms, ms > 0 && ms < 10 && !Number.isInteger(ms) ? 1 : 0, 'ms');
}

/** «now», or how long ago in whole units. */
export function ago(ms: number): string {
	if (ms < 2_000) return 'now';
	return `${ms < MINUTE ? decimal(Math.floor(ms / 1000), 0, 's') : duration(ms)} ago`;
}
