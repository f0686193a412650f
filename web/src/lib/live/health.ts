/** In one word how the line is, and whether what is seen may be called live. */
import { duration } from '../format/time.ts';
import type { Status } from './types.ts';

/** Rows come each second; this long without one and the page turns grey. */
export const STOPPED_AFTER_MS = 15_000;

export type Tone = 'good' | 'warn' | 'bad' | 'none';

export interface Health {
	label: string;
	detail: string;
	tone: Tone;
	/** True when the figures are no longer what is happening now. */
	stale: boolean;
}

export interface HealthInput {
	phase: 'connecting' | 'live' | 'reconnecting';
	status: Status | null;
	/** How old the newest row on screen is, in ms; null before the first. */
	ageMs: number | null;
	/** Until the next attempt, in ms. */
	retryMs: number;
}

export function health({ phase, status, ageMs, retryMs }: HealthInput): Health {
	if (phase === 'connecting') {
		return { label: 'connecting', detail: 'waiting for the first answer', tone: 'none', stale: false };
	}
	if (phase === 'reconnecting') {
		const wait = Math.max(1, Math.ceil(retryMs / 1000));
		return { label: 'reconnecting', detail: `next try in ${wait} s`, tone: 'warn', stale: true };
	}
	if (status?.engine.state === 'restarting') {
		return { label: 'engine restarting', detail: 'rows wait in the spool', tone: 'warn', stale: true };
	}
	const blocked = status?.sources.find((source) => source.state === 'blocked');
	if (blocked) {
		return { label: 'source blocked', detail: `${blocked.domain}/${blocked.source}`, tone: 'bad', stale: true };
	}
	if (ageMs === null) {
		return { label: 'no rows yet', detail: 'the line is up', tone: 'none', stale: false };
	}
	if (ageMs > STOPPED_AFTER_MS) {
		return { label: 'source stopped', detail: `no new row for ${duration(ageMs)}`, tone: 'none', stale: true };
	}
	return { label: 'live', detail: 'one stream', tone: 'good', stale: false };
}
