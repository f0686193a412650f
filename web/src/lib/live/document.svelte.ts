/** A JSON document of the platform, asked for again and again while somebody looks at it. */
import { ask, troubleOf, type Trouble } from './ask.ts';

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
