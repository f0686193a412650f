/** «What needs you»: the few things a person should act on, from facts the platform states. */
import { count, decimal } from '../format/number.ts';
import { ENGINE, type Tone } from '../live/health.ts';
import type { DeadLetters, Needed, Status } from '../live/types.ts';

export interface Need {
	id: string;
	text: string;
	/** A name or command after the text. */
	code?: string;
	href: string;
	tone: Tone;
	/** When it happened, epoch ms; null for what is so now. */
	at: number | null;
}

export interface Facts {
	status: Status | null;
	deadLetters: DeadLetters | null;
	needed: Needed | null;
}

/** Of the alerts that fire so many have a line of their own. */
const NAMED = 8;
const SEVERITY: Record<Needed['alerts'][number]['severity'], Tone> = { info: 'none', warning: 'warn', critical: 'bad' };

function fromStatus(status: Status): Need[] {
	const needs: Need[] = [];
	if (status.engine.state !== 'up') {
		const { detail, tone } = ENGINE[status.engine.state];
		needs.push({ id: 'engine', text: `The engine is ${status.engine.state}: ${detail}`, href: '/sources', tone, at: null });
	}
	for (const source of status.sources) {
		if (source.state !== 'blocked') continue;
		const name = `${source.domain}/${source.source}`;
		needs.push({ id: `blocked ${name}`, text: `Source ${name} is blocked: ${source.reason || 'no reason given'}`, href: '/sources', tone: 'bad', at: null });
	}
	const missing = status.balance.difference;
	if (missing !== 0) {
		const rows = count(Math.abs(missing), 'row');
		const text = missing > 0 ? `${rows} received but neither stored nor explained` : `${rows} stored more than received`;
		needs.push({ id: 'balance', text, code: 'penstock reconcile', href: '/sources', tone: 'bad', at: null });
	}
	const [first] = status.problems;
	if (first) {
		const many = status.problems.length;
		const text = many === 1 ? `A mistake in a file: ${first.cause}` : `${decimal(many)} mistakes in the files`;
		needs.push({ id: 'files', text, code: first.line ? `${first.file}:${first.line}` : first.file, href: '/#files', tone: 'bad', at: null });
	}
	return needs;
}

function fromAlerts({ alerts, firing }: Needed): Need[] {
	const named = alerts.slice(0, NAMED);
	const needs: Need[] = named.map((one) => ({
		id: `incident ${one.id}`,
		text: one.message,
		code: one.alert,
		href: `/alerts?incident=${one.id}`,
		tone: SEVERITY[one.severity],
		at: one.fired_ms
	}));
	if (named.length && firing > named.length) {
		needs.push({ id: 'more incidents', text: `${count(firing - named.length, 'more alert is', 'more alerts are')} firing`, href: '/alerts', tone: 'warn', at: named.at(-1)?.fired_ms ?? null });
	}
	return needs;
}

function fromChecks({ checks }: Needed): Need[] {
	return checks.map((check) => ({
		id: `check ${check.domain}/${check.name}`,
		text: check.state === 'error' ? 'A check cannot be run' : `A check fails: ${count(check.failures, 'row')}`,
		code: check.name,
		href: '/quality',
		tone: 'warn',
		at: check.at_ms
	}));
}

function fromDeadLetters(letters: DeadLetters): Need[] {
	if (letters.total === 0) return [];
	const newest = letters.items[0];
	const sources = new Set(letters.items.map((item) => `${item.domain}/${item.source}`));
	return [{
		id: 'dead letters',
		text: letters.total === 1 ? '1 row does not fit' : `${decimal(letters.total)} rows do not fit`,
		code: sources.size === 1 ? [...sources][0] : undefined,
		href: '/dead-letters',
		tone: 'warn',
		at: newest?.ingested_ms ?? null
	}];
}

/** What any project may need; not yet in order. */
export function needsOf({ status, deadLetters, needed }: Facts): Need[] {
	return [
		...(status ? fromStatus(status) : []),
		...(needed ? [...fromAlerts(needed), ...fromChecks(needed)] : []),
		...(deadLetters ? fromDeadLetters(deadLetters) : [])
	];
}

/** Newest first; what is so now stands at the top. */
export function inOrder(needs: readonly Need[]): Need[] {
	return needs.toSorted((a, b) => (b.at ?? Infinity) - (a.at ?? Infinity) || 0);
}
