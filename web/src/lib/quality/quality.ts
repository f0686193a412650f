/** Checks of the data in words, by what they are about. */
import { count } from '../format/number.ts';
import type { Tone } from '../live/health.ts';
import type { components } from '../live/api.ts';

export type Checks = components['schemas']['Checks'];
export type Check = Checks['checks'][number];
export type Past = Check['history'][number];

export const STATE: Record<Check['state'], { label: string; tone: Tone }> = {
	waiting: { label: 'not run yet', tone: 'none' },
	passed: { label: 'passes', tone: 'good' },
	failed: { label: 'fails', tone: 'bad' },
	error: { label: 'did not run', tone: 'warn' }
};

export interface Relation {
	name: string;
	checks: readonly Check[];
}

/** By relation; those in which something fails come first. */
export function byRelation(checks: readonly Check[]): Relation[] {
	const found = new Map<string, Check[]>();
	for (const check of checks) {
		const name = `${check.domain}.${check.relation || '(no relation)'}`;
		found.set(name, [...(found.get(name) ?? []), check]);
	}
	const bad = ({ checks: some }: Relation) => some.filter((check) => check.state === 'failed' || check.state === 'error').length;
	return [...found].map(([name, some]) => ({ name, checks: some })).sort((a, b) => bad(b) - bad(a) || a.name.localeCompare(b.name));
}

export function sentence(checks: readonly Check[]): string {
	const of = (state: Check['state']) => checks.filter((check) => check.state === state).length;
	const [passed, failed, broken, waits] = [of('passed'), of('failed'), of('error'), of('waiting')];
	const parts = [failed && count(failed, 'check fails', 'checks fail'), broken && `${broken} did not run`, passed && `${passed} pass`, waits && `${waits} not run yet`];
	return parts.filter(Boolean).join(', ');
}

/** How the last runs went, in words: what a screen reader hears instead of the strip. */
export function went(history: readonly Past[]): string {
	const failed = history.filter(({ state }) => state !== 'passed').length;
	return failed ? `${failed} of the last ${count(history.length, 'run')} did not pass` : `${history.length === 1 ? 'the last run' : `all of the last ${history.length} runs`} passed`;
}

/** What is to be done about a check. */
export function todo(check: Check): string {
	if (check.state === 'error') return `Mend its query: ${check.file}:${check.line}.`;
	return check.name.includes('.fresh') ? 'Look at its source: nothing has come for too long.' : 'The first rows that fail:';
}
