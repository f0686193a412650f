/** One request to the platform. What goes wrong is thrown as `Trouble`, in the same words everywhere. */
import type { components } from './api.ts';

export type Trouble = Pick<components['schemas']['Problem'], 'title' | 'detail'> & { next?: string };

const AWAY: Trouble = { title: 'Nothing answers', detail: 'the platform cannot be reached', next: 'is `penstock up` running? Then try again' };

/** An answer that is none of a failure. Throws `Trouble`, or what `fetch` throws of a request that was given up. */
export async function taken(url: string, init?: RequestInit): Promise<Response> {
	let answer: Response;
	try {
		answer = await fetch(url, init);
	} catch (caught) {
		throw init?.signal?.aborted ? caught : AWAY;
	}
	if (answer.ok) return answer;
	const body: unknown = await answer.json().catch(() => null);
	throw isTrouble(body) ? body : { title: `It answered ${answer.status}`, detail: url };
}

/** The JSON document that a request gives. */
export async function ask<T>(url: string, init?: RequestInit): Promise<T> {
	const answer = await taken(url, init);
	return (await answer.json().catch(() => null)) as T;
}

export function isTrouble(value: unknown): value is Trouble {
	return typeof value === 'object' && value !== null && 'title' in value && 'detail' in value;
}

/** What was caught, in the words that can be shown. */
export function troubleOf(caught: unknown): Trouble {
	return isTrouble(caught) ? caught : { title: 'The page stumbled', detail: String(caught), next: 'load it again' };
}

/** The same as one line, where there is no room for a notice. */
export function lineOf({ detail, next }: Trouble): string {
	return next ? `${detail}. Next: ${next}` : detail;
}
