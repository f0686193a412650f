/** Which sources take rows now. */
import type { SourceState, SourceStatus } from '../live/types.ts';

/** Between two batches a source is idle for a moment; this long, and it counts as such. */
const QUIET_MS = 5_000;

export function keyOf({ domain, source }: SourceStatus): string {
	return `${domain}/${source}`;
}

/** When each source last landed a row, by one clock: `now` for those that have since `before`. */
export function moves(
	known: Readonly<Record<string, number>>,
	before: readonly SourceStatus[],
	after: readonly SourceStatus[],
	now: number
): Record<string, number> {
	const landed = new Map(before.map((source) => [keyOf(source), source.landed]));
	const grown = after.filter((source) => source.landed > (landed.get(keyOf(source)) ?? source.landed));
	return { ...known, ...Object.fromEntries(grown.map((source) => [keyOf(source), now])) };
}

/** What is said of a source: live as long as its last row is not long ago. */
export function stateOf(source: SourceStatus, movedAt: number | undefined, now: number): SourceState {
	return source.state === 'idle' && movedAt !== undefined && now - movedAt < QUIET_MS ? 'live' : source.state;
}
