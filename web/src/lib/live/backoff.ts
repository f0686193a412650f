/** How long to wait before the next attempt. */

const FIRST_MS = 400;
const LONGEST_MS = 8_000;

/** Doubles from 0.4 s to 8 s; up to a quarter is random, so that many tabs do not return at once. */
export function backoff(attempt: number, random: () => number = Math.random): number {
	const base = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, attempt - 1));
	return Math.round(base * (0.75 + 0.25 * random()));
}
