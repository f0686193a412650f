/** The shapes that travel on `GET /v1/live`; times are epoch milliseconds. */

export type Cell = number | string | null;

/** ClickHouse's JSONColumns: column name to its values, all of one length. */
export type Columns = Record<string, Cell[]>;

/** One answer of a tile. `at` is the server's clock, `received` the browser's monotonic one. */
export interface Tile {
	tile: string;
	at: number;
	columns: Columns;
	received: number;
}

export interface SourceStatus {
	domain: string;
	source: string;
	state: 'live' | 'idle' | 'blocked';
	reason: string | null;
	accepted: number;
	landed: number;
	in_flight: number;
}

export interface Balance {
	received: number;
	silver: number;
	dead_letters: number;
	in_flight: number;
	difference: number;
}

/** A mistake in a file of the project; `line` is 0 where the whole file is meant. */
export interface FileProblem {
	file: string;
	line: number;
	cause: string;
	hint: string;
}

export interface Status {
	version: string;
	project: string;
	engine: { state: 'up' | 'restarting'; version: string };
	sources: SourceStatus[];
	freshness_ms: { p50: number | null; p99: number | null; now: number | null };
	rows_per_s: number;
	balance: Balance;
	history: { done: number; target: number } | null;
	/** What keeps the files, as they are saved, from being served. */
	problems: FileProblem[];
}

export interface DeadLetter {
	source: string;
	part: number;
	pos: number;
	reason: string;
	ingested_ms: number;
	raw: string;
}

export interface DeadLetters {
	total: number;
	items: DeadLetter[];
}

/** A tile's query failed; what was shown before stays on screen. */
export interface Problem {
	tile: string;
	title: string;
	detail: string;
}

export type LiveEvent =
	| { kind: 'tile'; data: Omit<Tile, 'received'> }
	| { kind: 'status'; data: Status }
	| { kind: 'dead_letters'; data: DeadLetters }
	| { kind: 'problem'; data: Problem }
	| { kind: 'bye' };

export const EVENT_KINDS = ['tile', 'status', 'dead_letters', 'problem', 'bye'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];
