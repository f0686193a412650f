/** A JSON document of the platform, asked for again and again while somebody looks at it. */
import type { components } from './api.ts';

export type Trouble = Pick<components['schemas']['Problem'], 'title' | 'detail'> & { next?: string };

const AWAY: Trouble = { title: 'Nothing answers', detail: 'the platform cannot be reached', next: 'this page asks again by itself' };

/** What a request gave. Throws `Trouble`: the platform's own words, or that nothing answers. */
export async function ask<T>(url: string, init?: RequestInit): Promise<T> {
	let answer: Response;
	try {
		answer = await fetch(url, init);
	} catch {
		throw AWAY;
	}
	const body: unknown = await answer.json().catch(() => null);
	if (answer.ok) return body as T;
	throw isTrouble(body) ? body : { title: `It answered ${answer.status}`, detail: url };
}

export function isTrouble(value: unknown): value is Trouble {
	return typeof value === 'object' && value !== null && 'title' in value && 'detail' in value;
}

/** What was caught, in the words that can be shown. */
export function troubleOf(caught: unknown): Trouble {
	return isTrouble(caught) ? caught : { title: 'The page stumbled', detail: String(caught), next: 'load it again' };
}

export class Document<T> {
	/** The last good answer: it stays while later ones fail. */
	value = $state.raw<T | null>(null);
	trouble = $state.raw<Trouble | null>(null);
	#url = '';
	#asked = 0;
	#answered = 0;

	/**
	 * Asks now, and each `everyMs` while the tab is seen; returns the function that ends it.
	 * A slow answer is waited for: questions that pile up would take each other's connections.
	 */
	follow(url: string, everyMs: number): () => void {
		if (url !== this.#url) [this.value, this.trouble] = [null, null]; // they were of something else
		this.#url = url;
		void this.refresh();
		const timer = setInterval(() => {
			if (!document.hidden && this.#answered === this.#asked) void this.refresh();
		}, everyMs);
		return () => clearInterval(timer);
	}

	/** Asks once more; an answer that a later question has overtaken is dropped. */
	async refresh(): Promise<void> {
		if (!this.#url) return;
		const turn = ++this.#asked;
		try {
			const value = await ask<T>(this.#url);
			if (turn !== this.#asked) return;
			this.#answered = turn;
			this.value = value;
			this.trouble = null;
		} catch (caught) {
			if (turn !== this.#asked) return;
			this.#answered = turn;
			this.trouble = troubleOf(caught);
		}
	}
}
