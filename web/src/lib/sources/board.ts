/** A source in words: how fast, how far, how to send to it, and what to do where it does not land. */
import { count, decimal } from '../format/number.ts';
import type { components } from '../live/api.ts';

type Schemas = components['schemas'];
export type Sources = Schemas['Sources'];
export type Source = Sources['sources'][number];
export type File = Sources['files'][number];

const RATE_S = 10;

export const nameOf = ({ domain, source }: { domain: string; source: string }): string => `${domain}/${source}`;

/** Rows a second, over the last ten. */
export function rate({ rates }: Source): number {
	const last = rates.slice(-RATE_S);
	return last.length ? last.reduce((all, rows) => all + rows, 0) / last.length : 0;
}

/** A line for a terminal that sends one record; `example` is one line of JSON. */
export function curl(origin: string, source: Source): string {
	const record = source.example.replaceAll("'", `'\\''`);
	return `curl -H 'Content-Type: application/json' '${origin}/v1/ingest/${nameOf(source)}?wait=true' -d '${record}'`;
}

/** Where it stands: what was received, and what of it is landed. */
export function standing({ parts, in_flight }: Source): string {
	const [first, last] = [parts.find(({ received, landed }) => landed < received) ?? parts.at(-1), parts.at(-1)];
	if (!first || !last || parts.every(({ received }) => received === 0)) return 'nothing received yet';
	const received = `${last.part}:${decimal(last.received)}`;
	return in_flight
		? `received up to ${received}, landed up to ${first.part}:${decimal(first.landed)}: ${count(in_flight, 'row')} on the way`
		: `all landed, up to ${received}`;
}

/** Rows of a part that are in the log and not landed. */
export const lag = ({ high, received, landed }: Source['parts'][number]): number => Math.max(high, received) - landed;

/** What to do; empty where nothing is to be done. */
export function todo({ state, into }: Source): string {
	if (state === 'blocked') return `What is received is kept and waits on disk; nothing is skipped. Mend what the reason names (views on ${into}), and it goes on by itself.`;
	return state === 'recovering' ? 'A batch failed and is tried again; what is received waits on disk.' : '';
}
