/** The one event stream of this tab: opened, watched, and opened again when it breaks. */
import { backoff } from './backoff.ts';
import { decode } from './decode.ts';
import { EVENT_KINDS, type EventKind, type LiveEvent } from './types.ts';

/** The server sends its status once a second: this long without a word means the line is dead. */
const SILENCE_MS = 10_000;
const WATCH_EVERY_MS = 2_000;

export interface StreamHandlers {
	onEvent: (event: LiveEvent) => void;
	onUp: () => void;
	/** The stream broke; the next attempt comes in `retryMs`. */
	onDown: (retryMs: number) => void;
}

/** What a page looks at: tiles, and documents that are sent only to who asks for them. */
export interface Watched {
	tiles: readonly string[];
	also: readonly ('flow' | 'change')[];
}

export function liveUrl({ tiles, also }: Watched): string {
	const words = [...tiles.map((tile) => ['tile', tile] as const), ...also.map((name) => ['also', name] as const)];
	return `/v1/live?${words.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&')}`;
}

export class LiveStream {
	#url = '';
	#source: EventSource | null = null;
	#handlers: StreamHandlers;
	#attempt = 0;
	#heardAt = 0;
	#retry: ReturnType<typeof setTimeout> | undefined;
	#watch: ReturnType<typeof setInterval> | undefined;

	constructor(handlers: StreamHandlers) {
		this.#handlers = handlers;
	}

	/** Opens the stream on what is looked at; a stream that is open on something else is closed first. */
	open(watched: Watched): void {
		this.close();
		this.#url = liveUrl(watched);
		this.#connect();
		this.#watch = setInterval(() => this.#checkSilence(), WATCH_EVERY_MS);
	}

	close(): void {
		clearTimeout(this.#retry);
		clearInterval(this.#watch);
		this.#source?.close();
		this.#source = null;
	}

	/** Tries now instead of at the end of the wait. */
	retryNow(): void {
		clearTimeout(this.#retry);
		this.#connect();
	}

	#connect(): void {
		this.#source?.close();
		const source = new EventSource(this.#url);
		this.#source = source;
		this.#heardAt = performance.now();
		source.addEventListener('error', () => this.#down(source));
		for (const kind of EVENT_KINDS) {
			source.addEventListener(kind, (message) => this.#hear(source, kind, message.data as string));
		}
	}

	#hear(source: EventSource, kind: EventKind, text: string): void {
		if (source !== this.#source) return;
		this.#heardAt = performance.now();
		if (kind === 'bye') return this.#down(source);
		this.#attempt = 0;
		this.#handlers.onUp();
		const event = decode(kind, text);
		if (event) this.#handlers.onEvent(event);
	}

	#checkSilence(): void {
		const silent = performance.now() - this.#heardAt > SILENCE_MS;
		if (this.#source && silent) this.#down(this.#source);
	}

	#down(source: EventSource): void {
		if (source !== this.#source) return;
		source.close();
		this.#source = null;
		this.#attempt += 1;
		const wait = backoff(this.#attempt);
		this.#retry = setTimeout(() => this.#connect(), wait);
		this.#handlers.onDown(wait);
	}
}
