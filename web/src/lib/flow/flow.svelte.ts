/** The graph of the project as Flow shows it: from the files, with the figures of now. */
import { goto } from '$app/navigation';
import { page } from '$app/state';
import { ask, troubleOf, type Trouble } from '../live/ask.ts';
import { live } from '../live/store.svelte.ts';
import type { FlowFigure, FlowFigures, FlowGraph } from '../live/types.ts';

const KEPT = 60;

class FlowView {
	graph = $state.raw<FlowGraph | null>(null);
	/** Why there is none; the last one stays. */
	trouble = $state.raw<Trouble | null>(null);
	figures = $derived<ReadonlyMap<string, FlowFigure>>(new Map(live.flow?.nodes.map((one) => [one.id, one])));
	/** The last rates of each node, oldest first. */
	trails = $state.raw<Readonly<Record<string, readonly number[]>>>({});
	/** Rows a second of all sources together; null before the first figures. */
	rate = $derived(this.#rate());
	/** Which node is open: `?node=homes.readings` in the address. */
	open = $derived(page.url.searchParams.get('node'));

	async load(): Promise<void> {
		try {
			this.graph = await ask<FlowGraph>('/v1/flow');
			this.trouble = null;
		} catch (caught) {
			this.trouble = troubleOf(caught);
		}
	}

	/** Keeps the rates of new figures for the lines. */
	note(figures: FlowFigures): void {
		const rated = figures.nodes.filter((one) => one.rate !== null);
		this.trails = Object.fromEntries(rated.map(({ id, rate }) => [id, [...(this.trails[id] ?? []), rate ?? 0].slice(-KEPT)]));
	}

	close(): void {
		void goto('/', { reset: false });
	}

	#rate(): number | null {
		const sources = this.graph?.nodes.filter((node) => node.stage === 'sources') ?? [];
		const rates = sources.flatMap((node) => this.figures.get(node.id)?.rate ?? []);
		return rates.length ? rates.reduce((a, b) => a + b) : null;
	}
}

/** The address that opens a node. */
export function nodeHref(id: string): string {
	return `/?node=${encodeURIComponent(id)}`;
}

export const flow = new FlowView();
