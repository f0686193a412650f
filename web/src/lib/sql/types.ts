/** What is asked of `/v1/sql` and what comes back. */
import type { components } from '../live/api.ts';

type Schemas = components['schemas'];

export type Schema = Schemas['SqlSchema'];
export type Relation = Schema['relations'][number];
export type TableColumn = Relation['columns'][number];
export type SqlFunction = Schemas['SqlFunctions']['functions'][number];
export type Progress = Schemas['SqlProgress'];
export type SqlProblem = Partial<Schemas['SqlProblem']> & Pick<Schemas['SqlProblem'], 'title' | 'detail'>;
export type SavedQuery = Schemas['SavedQuery'];

export interface Column {
	name: string;
	/** ClickHouse's. */
	type: string;
}

/** An answer in JSONCompact, with whole numbers of 64 bits and decimals as text. */
export interface Answer {
	columns: readonly Column[];
	rows: readonly (readonly unknown[])[];
	/** As many rows came as may: there may be more, which the engine does not count. */
	cut: boolean;
	readRows: number;
	readBytes: number;
	seconds: number;
}

/** What is asked: a statement and what belongs to it. */
export interface Asked {
	sql: string;
	database: string;
	params: Readonly<Record<string, string>>;
}

export const VIEWS = ['table', 'chart', 'explain'] as const;
export type View = (typeof VIEWS)[number];
