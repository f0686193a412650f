/** Follows the next batch of a source: waits for it, then for the first answer that holds it. */
import { ask, lineOf, troubleOf } from '../live/ask.ts';
import { live } from '../live/store.svelte.ts';
import type { FlowNode, Passage } from '../live/types.ts';
import { holds, hopsOf, serverAt, syncOf, type Hop, type Shown, type Sync } from './follow.ts';

export type Phase = 'idle' | 'waiting' | 'landed' | 'done' | 'failed';

/** After that long without an answer in which it is seen, it is said so. */
const PATIENCE_MS = 10_000;
/** Shorter than two answers lie apart. */
const LOOK_MS = 20;

class Following {
	phase = $state<Phase>('idle');
	source = $state.raw<FlowNode | null>(null);
	/** In which it will be seen; null where nothing shows it. */
	tile = $state<string | null>(null);
	passage = $state.raw<Passage | null>(null);
	hops = $state.raw<readonly Hop[]>([]);
	problem = $state('');

	#turn = 0;

	async start(source: FlowNode, tile: string | null): Promise<void> {
		const turn = ++this.#turn;
		Object.assign(this, { phase: 'waiting', source, tile, passage: null, hops: [], problem: '' });
		try {
			const found = await this.#next(source);
			if (turn !== this.#turn) return;
			this.passage = found.passage;
			this.hops = hopsOf(found.passage, null);
			this.phase = tile ? 'landed' : 'done';
			if (!tile) return;
			const shown = await this.#seen(tile, found.passage, found.sync, turn);
			if (turn !== this.#turn) return;
			this.hops = hopsOf(found.passage, shown);
			this.phase = 'done';
		} catch (error) {
			if (turn !== this.#turn) return;
			this.problem = error instanceof Error ? error.message : lineOf(troubleOf(error));
			this.phase = 'failed';
		}
	}

	stop(): void {
		this.#turn += 1;
		this.phase = 'idle';
		this.tile = null;
	}

	async #next({ domain, name }: FlowNode): Promise<{ passage: Passage; sync: Sync }> {
		const { passage } = await ask<{ passage: Passage | null }>(`/v1/flow/${domain}/sources/${name}/passage`);
		if (!passage) throw new Error('No row came in 25 seconds');
		return { passage, sync: await clockOf(domain, name) };
	}

	/** When the first answer that holds the batch was asked, answered and drawn; null: none came. */
	async #seen(tile: string, passage: Passage, sync: Sync, turn: number): Promise<Shown | null> {
		const until = performance.now() + PATIENCE_MS;
		while (performance.now() < until && turn === this.#turn) {
			const found = live.tiles[tile];
			const drawn = holds(found, passage) ? live.drawnAt(found) : null;
			if (found && drawn !== null) {
				return { asked: found.at - found.took, answered: found.at, drawn: serverAt(drawn, sync) };
			}
			await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
		}
		return null;
	}
}

/** The two clocks, by the quickest of three small questions. */
async function clockOf(domain: string, name: string): Promise<Sync> {
	let best: Sync | null = null;
	let quickest = Infinity;
	for (let round = 0; round < 3; round++) {
		const sent = performance.now();
		const { told_ms } = await ask<{ told_ms: number }>(`/v1/flow/${domain}/sources/${name}/passage?wait=0`);
		const back = performance.now();
		if (back - sent >= quickest) continue;
		quickest = back - sent;
		best = syncOf(told_ms, sent, back);
	}
	return best ?? syncOf(Date.now(), performance.now(), performance.now());
}

export const following = new Following();
