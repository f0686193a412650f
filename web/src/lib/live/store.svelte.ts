/** What the page knows: the last answer of each tile, the status and the dead letters. */
import { moves } from '../project/sources.ts';
import { changed } from './change.ts';
import { clock } from './clock.svelte.ts';
import { liveUrl, LiveStream, type Watched } from './stream.ts';
import type { DeadLetters, FlowFigures, LiveEvent, Needed, Problem, Status, Tile, TileAnswer, TileChange } from './types.ts';

export type Phase = 'connecting' | 'live' | 'reconnecting';

/** A hidden tab keeps its stream this long, then lets the server go. */
const HIDDEN_CLOSE_MS = 30_000;
/** Opening homes one after the other must not open a stream for each. */
const SETTLE_MS = 120;
const RATES_KEPT = 90;
/** What comes within this is drawn at once: a frame of the page costs more than one more chart in it. */
const TOGETHER_MS = 200;
const NOTHING: Watched = { tiles: [], also: [] };

export class LiveStore {
	tiles = $state.raw<Readonly<Record<string, Tile>>>({});
	problems = $state.raw<Readonly<Record<string, Problem>>>({});
	status = $state.raw<Status | null>(null);
	/** How often the files were taken up: changes with them only, not with every status. */
	adopted = $derived(this.status?.adopted);
	/** When it came, by the browser's monotonic clock. */
	statusAt = $state(0);
	/** When each source last landed a row, by that clock. */
	moved = $state.raw<Readonly<Record<string, number>>>({});
	deadLetters = $state.raw<DeadLetters | null>(null);
	needed = $state.raw<Needed | null>(null);
	/** The newest figures of the graph, where the page asks for them. */
	flow = $state.raw<FlowFigures | null>(null);
	/** Rows a second of the last statuses, one each second, oldest first. */
	rates = $state.raw<readonly number[]>([]);
	phase = $state<Phase>('connecting');
	/** How often the stream came up. */
	openings = $state(0);
	/** Attempts that failed since the stream was last up. */
	failures = $state(0);
	retryAt = $state(0);

	/** What the page looks at; null before it has said so, which may be nothing: such a stream has the status. */
	#asked: Watched | null = null;
	/** What the stream was opened with. */
	#opened = '';
	/** When the newest answer of a tile was on the screen, by the browser's clock: after the frame that drew it. */
	#drawn = new Map<string, { received: number; at: number }>();
	#pending = new Map<string, LiveEvent>();
	#frame = 0;
	#flushedAt = 0;
	#soon: ReturnType<typeof setTimeout> | undefined;
	#settle: ReturnType<typeof setTimeout> | undefined;
	#hidden: ReturnType<typeof setTimeout> | undefined;
	#stream = new LiveStream({
		onEvent: (event) => this.#queue(event),
		onUp: () => {
			if (this.phase !== 'live') this.openings += 1;
			this.phase = 'live';
			this.failures = 0;
		},
		onDown: (retryMs) => {
			this.phase = this.failures === 0 && !this.status ? 'connecting' : 'reconnecting';
			this.failures += 1;
			this.retryAt = performance.now() + retryMs;
		}
	});

	/**
	 * Asks for these tiles, and documents beside those of every page, on the one stream; gives the
	 * function that lets them go, for the effect that asked: a page that follows in the same breath asks
	 * for its own and the stream is opened once.
	 */
	watch(tiles: readonly string[], also: Watched['also'] = []): () => void {
		const watched = { tiles, also: [...also, 'change' as const] };
		this.#ask(watched);
		return () => {
			if (this.#asked === watched) this.#ask(NOTHING);
		};
	}

	/** Opens the stream without tiles where no page has asked for any. */
	open(): void {
		if (this.#asked === null) this.#ask(NOTHING);
	}

	/** Follows the tab's visibility; returns the function that ends everything. */
	start(): () => void {
		const onVisibility = () => (document.hidden ? this.#sleep() : this.#wake());
		document.addEventListener('visibilitychange', onVisibility);
		return () => {
			document.removeEventListener('visibilitychange', onVisibility);
			clearTimeout(this.#settle);
			clearTimeout(this.#hidden);
			clearTimeout(this.#soon);
			this.#soon = undefined;
			cancelAnimationFrame(this.#frame);
			this.#asked = null;
			this.#opened = '';
			this.#stream.close();
		};
	}

	/** When this answer was on the screen; null before. */
	drawnAt({ tile, received }: Tile): number | null {
		const drawn = this.#drawn.get(tile);
		return drawn?.received === received ? drawn.at : null;
	}

	retryNow(): void {
		this.#stream.retryNow();
	}

	#ask(watched: Watched): void {
		const first = this.#asked === null;
		this.#asked = watched;
		clearTimeout(this.#settle);
		this.#settle = setTimeout(() => this.#reopen(), first ? 0 : SETTLE_MS);
	}

	#reopen(): void {
		const asked = this.#asked ?? NOTHING;
		const url = liveUrl(asked);
		if (url === this.#opened) return;
		this.#opened = url;
		const kept = <T>(of: Readonly<Record<string, T>>) => Object.fromEntries(Object.entries(of).filter(([tile]) => asked.tiles.includes(tile)));
		this.tiles = kept(this.tiles);
		this.problems = kept(this.problems);
		this.#stream.open(asked);
	}

	#sleep(): void {
		this.#hidden = setTimeout(() => {
			this.#hidden = undefined;
			this.#stream.close();
		}, HIDDEN_CLOSE_MS);
	}

	#wake(): void {
		if (this.#hidden === undefined && this.#asked) this.#stream.open(this.#asked);
		clearTimeout(this.#hidden);
		this.#hidden = undefined;
	}

	/** Keeps the newest event of each kind until the next frame; a hidden tab has no frames. */
	#queue(event: LiveEvent): void {
		if (event.kind === 'bye') return;
		if (event.kind === 'change') return this.#change(event.data);
		const key = 'tile' in event.data ? `${event.kind} ${event.data.tile}` : event.kind;
		this.#pending.delete(key); // the newest also goes last, so that a late answer clears its problem
		this.#pending.set(key, event.kind === 'tile' ? { ...event, data: stamped(event.data) } : event);
		this.#soon ||= setTimeout(() => {
			this.#soon = undefined;
			this.#frame ||= requestAnimationFrame(() => this.#flush());
		}, Math.max(0, this.#flushedAt + TOGETHER_MS - performance.now()));
	}

	/** A change goes on from the newest answer, drawn or not; without that one the whole is asked for. */
	#change(change: TileChange): void {
		const pending = this.#pending.get(`tile ${change.tile}`);
		const now = changed(pending?.kind === 'tile' ? pending.data : this.tiles[change.tile], change);
		if (now) this.#queue({ kind: 'tile', data: now });
		else if (this.#asked?.tiles.includes(change.tile)) this.#stream.open(this.#asked);
	}

	#flush(): void {
		this.#frame = 0;
		this.#flushedAt = performance.now();
		clock.tick();
		const tiles = { ...this.tiles };
		const problems = { ...this.problems };
		for (const event of this.#pending.values()) {
			if (event.kind === 'status') this.#setStatus(event.data);
			else if (event.kind === 'dead_letters') this.deadLetters = event.data;
			else if (event.kind === 'needs') this.needed = event.data;
			else if (event.kind === 'flow') this.flow = event.data;
			else if (event.kind === 'bye' || !this.#asked?.tiles.includes(event.data.tile)) continue;
			else if (event.kind === 'problem') problems[event.data.tile] = event.data;
			else {
				tiles[event.data.tile] = event.data as Tile;
				delete problems[event.data.tile];
			}
		}
		this.#pending.clear();
		this.tiles = tiles;
		this.problems = problems;
		requestAnimationFrame((at) => {
			for (const { tile, received } of Object.values(tiles)) {
				if (this.#drawn.get(tile)?.received !== received) this.#drawn.set(tile, { received, at });
			}
		});
	}

	#setStatus(status: Status): void {
		this.statusAt = performance.now();
		this.moved = moves(this.moved, this.status?.sources ?? [], status.sources, this.statusAt);
		this.status = status;
		this.rates = [...this.rates, status.rows_per_s].slice(-RATES_KEPT);
	}
}

function stamped(data: TileAnswer): Tile {
	return { ...data, received: performance.now() };
}

/** One store a tab. */
export const live = new LiveStore();
