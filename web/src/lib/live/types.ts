/** The shapes that travel on `GET /v1/live`, as OpenAPI describes them; times are epoch milliseconds. */
import type { components } from './api.ts';

type Schemas = components['schemas'];

export type Status = Schemas['Status'];
export type SourceStatus = Status['sources'][number];
export type EngineState = Status['engine']['state'];
export type SourceState = SourceStatus['state'];
export type DeadLetters = Schemas['DeadLetters'];
export type DeadLetter = DeadLetters['items'][number];
/** In short what a person should act on: alerts that fire, checks that fail. */
export type Needed = Schemas['Needs'];
export type FlowFigures = Schemas['FlowFigures'];
export type FlowFigure = FlowFigures['nodes'][number];
export type FlowGraph = Schemas['Flow'];
export type FlowNode = FlowGraph['nodes'][number];
export type FlowDetail = Schemas['FlowDetail'];
export type Passage = NonNullable<Schemas['Follow']['passage']>;
/** ClickHouse's JSONColumns: column name to its values, all of one length. */
export type Columns = Schemas['Tile']['columns'];
/** Rows of the tile before, and those that come after them. */
export type TileChange = Schemas['TileChange'];
/** A tile that cannot be shown; what was shown before stays on screen. */
export type Problem = Schemas['TileProblem'];

/** One answer of a tile; `at` is the server's clock. */
export type TileAnswer = Schemas['Tile'];
/** The same as it arrived: `received` is the browser's monotonic clock. */
export type Tile = TileAnswer & { received: number };

export type LiveEvent =
	| { kind: 'tile'; data: TileAnswer }
	| { kind: 'change'; data: TileChange }
	| { kind: 'status'; data: Status }
	| { kind: 'dead_letters'; data: DeadLetters }
	| { kind: 'needs'; data: Needed }
	| { kind: 'flow'; data: FlowFigures }
	| { kind: 'problem'; data: Problem }
	| { kind: 'bye' };

export const EVENT_KINDS = ['tile', 'change', 'status', 'dead_letters', 'needs', 'flow', 'problem', 'bye'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];
