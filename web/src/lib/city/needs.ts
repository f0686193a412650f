/** «What needs you»: the few things a person should act on, from facts the platform states. */
import { first } from '../live/columns.ts';
import type { DeadLetters, Status, Tile } from '../live/types.ts';
import { count, decimal, percent } from '../format/number.ts';
import { ENGINE, type Tone } from '../live/health.ts';
import { isSilent, type Home } from './homes.ts';

/** A few late rows are how devices are; from this share on something is wrong with them. */
const MANY_LATE = 0.05;

export interface Need {
	id: string;
	text: string;
	/** A word in the mono face after the text. */
	code?: string;
	href: string;
	tone: Tone;
	/** When it happened, epoch ms; null for what is so now. */
	at: number | null;
}

export interface Facts {
	status: Status | null;
	deadLetters: DeadLetters | null;
	heartbeat: Tile | undefined;
	homes: readonly Home[];
	/** The server's clock, epoch ms. */
	now: number;
}

function fromStatus(status: Status): Need[] {
	const needs: Need[] = [];
	if (status.engine.state !== 'up') {
		const { detail, tone } = ENGINE[status.engine.state];
		needs.push({ id: 'engine', text: `The engine is ${status.engine.state}: ${detail}`, href: '/sources', tone, at: null });
	}
	for (const source of status.sources) {
		if (source.state !== 'blocked') continue;
		const name = `${source.domain}/${source.source}`;
		needs.push({
			id: `blocked ${name}`,
			text: `Source ${name} is blocked: ${source.reason || 'no reason given'}`,
			href: '/sources',
			tone: 'bad',
			at: null
		});
	}
	const missing = status.balance.difference;
	if (missing !== 0) {
		const rows = count(Math.abs(missing), 'row');
		needs.push({
			id: 'balance',
			text: missing > 0 ? `${rows} received but neither stored nor explained` : `${rows} stored more than received`,
			code: 'penstock reconcile',
			href: '/sources',
			tone: 'bad',
			at: null
		});
	}
	return needs;
}

function fromDeadLetters(letters: DeadLetters): Need[] {
	if (letters.total === 0) return [];
	const newest = letters.items[0];
	const sources = new Set(letters.items.map((item) => `${item.domain}/${item.source}`));
	const rows = letters.total === 1 ? '1 row does not fit' : `${decimal(letters.total)} rows do not fit`;
	return [{
		id: 'dead letters',
		text: rows,
		code: sources.size === 1 ? [...sources][0] : undefined,
		href: '/dead-letters',
		tone: 'warn',
		at: newest?.ingested_ms ?? null
	}];
}

function fromHomes(homes: readonly Home[], now: number): Need[] {
	const silent = homes.filter((home) => isSilent(home, now));
	const latest = silent.reduce<Home | null>((best, home) => (best && best.ts >= home.ts ? best : home), null);
	if (!latest) return [];
	const alone = silent.length === 1;
	return [{
		id: 'silent',
		text: alone ? `Home ${latest.id} is silent` : `${decimal(silent.length)} homes are silent`,
		href: alone ? `/city?home=${latest.id}` : '/city#homes',
		tone: 'warn',
		at: latest.ts
	}];
}

/** Newest first; what is so now stands at the top. */
export function needsOf({ status, deadLetters, heartbeat, homes, now }: Facts): Need[] {
	const needs = [
		...(status ? fromStatus(status) : []),
		...(deadLetters ? fromDeadLetters(deadLetters) : []),
		...fromHomes(homes, now)
	];
	const share = (first(heartbeat?.columns, 'late_1m') ?? 0) / (first(heartbeat?.columns, 'rows_1m') || 1);
	if (share >= MANY_LATE) {
		needs.push({ id: 'late', text: `${percent(share)} of the last minute's rows came over a minute late`, href: '/city', tone: 'warn', at: null });
	}
	return needs.sort((a, b) => (b.at ?? Infinity) - (a.at ?? Infinity) || 0);
}
