/** In one word how the line is, and whether what is seen may be called live. */
import { duration } from '../format/time.ts';
import type { EngineState, SourceState, Status } from './types.ts';

/** The city's rows come each second; this long without one and the page turns grey. */
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
	/** After how long without a row a source counts as stopped; null where rows come as they may. */
	stoppedAfterMs: number | null;
}

type Words = Omit<Health, 'stale'>;

/** A state that is added to the platform does not compile until it has its words here. */
export const ENGINE: Record<Exclude<EngineState, 'up'>, Words> = {
	starting: { label: 'engine starting', detail: 'rows wait in the spool', tone: 'warn' },
	down: { label: 'engine down', detail: 'rows wait in the spool', tone: 'bad' },
	stopped: { label: 'engine stopped', detail: 'the platform is ending', tone: 'bad' }
};

export const SOURCE: Record<SourceState, { label: string; tone: Tone }> = {
	live: { label: 'live', tone: 'good' },
	idle: { label: 'idle', tone: 'none' },
	recovering: { label: 'recovering', tone: 'warn' },
	blocked: { label: 'blocked', tone: 'bad' }
};

function ofSources(status: Status): Words | null {
	for (const state of ['blocked', 'recovering'] as const) {
		const found = status.sources.find((source) => source.state === state);
		if (!found) continue;
		return { label: `source ${SOURCE[state].label}`, detail: `${found.domain}/${found.source}`, tone: SOURCE[state].tone };
	}
	return null;
}

export function health({ phase, status, ageMs, retryMs, stoppedAfterMs }: HealthInput): Health {
	if (phase === 'connecting') {
		return { label: 'connecting', detail: 'waiting for the first answer', tone: 'none', stale: false };
	}
	if (phase === 'reconnecting') {
		const wait = Math.max(1, Math.ceil(retryMs / 1000));
		return { label: 'reconnecting', detail: `next try in ${wait} s`, tone: 'warn', stale: true };
	}
	if (status && status.engine.state !== 'up') return { ...ENGINE[status.engine.state], stale: true };
	const source = status && ofSources(status);
	if (source) return { ...source, stale: true };
	if (ageMs === null) {
		return { label: 'no rows yet', detail: 'the line is up', tone: 'none', stale: false };
	}
	if (stoppedAfterMs !== null && ageMs > stoppedAfterMs) {
		return { label: 'source stopped', detail: `no new row for ${duration(ageMs)}`, tone: 'none', stale: true };
	}
	return { label: 'live', detail: 'one stream', tone: 'good', stale: false };
}
