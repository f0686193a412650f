/** The shapes that travel on `GET /v1/live`, as OpenAPI describes them; times are epoch milliseconds. */
import type { components } from './api.ts';

type Schemas = components['schemas'];

export type Status = Schemas['Status'];
export type SourceStatus = Status['sources'][number];
export type EngineState = Status['engine']['state'];
export type SourceState = SourceStatus['state'];
export type DeadLetters = Schemas['DeadLetters'];
export type DeadLetter = DeadLetters['items'][number];
/** ClickHouse's JSONColumns: column name to its values, all of one length. */
export type Columns = Schemas['Tile']['columns'];
/** A tile that cannot be shown; what was shown before stays on screen. */
export type Problem = Schemas['TileProblem'];

/** One answer of a tile. `at` is the server's clock, `received` the browser's monotonic one. */
export type Tile = Schemas['Tile'] & { received: number };

export type LiveEvent =
	| { kind: 'tile'; data: Schemas['Tile'] }
	| { kind: 'status'; data: Status }
	| { kind: 'dead_letters'; data: DeadLetters }
	| { kind: 'problem'; data: Problem }
	| { kind: 'bye' };

export const EVENT_KINDS = ['tile', 'status', 'dead_letters', 'problem', 'bye'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];
