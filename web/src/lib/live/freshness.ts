/** How old the newest row on screen is. */
import { first } from './columns.ts';
import type { Status, Tile } from './types.ts';

/**
 * Milliseconds since the newest row of this answer arrived at the platform, or null without one.
 * The server's two times are compared with each other, and the browser's clock only counts on
 * from the moment the answer came: a wrong clock in the browser cannot make data look fresh.
 */
export function ageOf(tile: Tile | undefined, now: number, column = 'last_ingested_ms'): number | null {
	const newest = first(tile?.columns, column);
	if (!tile || newest === null || newest <= 0) return null;
	return Math.max(0, tile.at - newest) + Math.max(0, now - tile.received);
}

/** Milliseconds since the newest row landed, by the status; null before the first since the start. */
export function landedAge(status: Status | null, receivedAt: number, now: number): number | null {
	const age = status?.freshness_ms.now ?? 0;
	return age > 0 ? age + Math.max(0, now - receivedAt) : null;
}

/** The server's clock now, in epoch ms, carried on from its status; the browser's own without one. */
export function serverTime(status: Status | null, receivedAt: number, now: number): number {
	return status ? status.at + Math.max(0, now - receivedAt) : Date.now();
}
