/** One asking of an endpoint, with all that is worth knowing of its answer. */
import { taken, troubleOf, type Trouble } from '../live/ask.ts';
import { serverMs } from './endpoint.ts';

export interface Answer {
	path: string;
	rows: readonly Readonly<Record<string, unknown>>[];
	text: string;
	bytes: number;
	/** From the click to the last byte, and what of that the server took. */
	tookMs: number;
	serverMs: number | null;
	cache: string;
}

class Trial {
	answer = $state.raw<Answer | null>(null);
	trouble = $state.raw<Trouble | null>(null);
	asking = $state(false);
	#turn = 0;

	/** Asks for a path that ends in JSON. */
	async run(path: string): Promise<void> {
		const turn = ++this.#turn;
		this.asking = true;
		this.trouble = null;
		const began = performance.now();
		try {
			const response = await taken(path);
			const text = await response.text();
			const tookMs = performance.now() - began;
			if (turn !== this.#turn) return;
			const { data } = JSON.parse(text) as { data: Answer['rows'] };
			const header = (name: string) => response.headers.get(name);
			this.answer = { path, rows: data, text, bytes: new Blob([text]).size, tookMs, serverMs: serverMs(header('server-timing')), cache: header('x-cache') ?? '' };
		} catch (caught) {
			if (turn === this.#turn) this.trouble = troubleOf(caught);
		} finally {
			if (turn === this.#turn) this.asking = false;
		}
	}

	clear(): void {
		this.#turn += 1;
		this.answer = this.trouble = null;
		this.asking = false;
	}
}

export const trial = new Trial();
