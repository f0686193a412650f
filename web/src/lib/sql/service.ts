/** The paths under `/v1/sql`. A refusal is thrown as `Trouble`; one of SQL says its place, too. */
import { ask, taken } from '../live/ask.ts';
import type { Answer, Asked, Column, Progress, SavedQuery, Schema, SqlFunction } from './types.ts';

/** So that no number loses a digit on its way through JavaScript. */
const EXACT: Readonly<Record<string, string>> = {
	output_format_json_quote_64bit_integers: '1',
	output_format_json_quote_decimals: '1',
	output_format_json_quote_denormals: '1',
	output_format_decimal_trailing_zeros: '1'
};
export const MOST_ROWS = 10_000;

interface Sent {
	meta: Column[];
	data: unknown[][];
	rows: number;
	statistics?: { elapsed: number; rows_read: number; bytes_read: number };
}

function wordsOf(asked: Asked, more: Record<string, string>): string {
	const words = new URLSearchParams(more);
	if (asked.database) words.set('database', asked.database);
	for (const [name, value] of Object.entries(asked.params)) words.set(`param_${name}`, value);
	return words.toString();
}

export async function run(asked: Asked, id: string, signal: AbortSignal, explain = ''): Promise<Answer> {
	const more = { format: 'compact', id, limit: String(MOST_ROWS), ...EXACT, ...(explain ? { explain } : {}) };
	return read(await ask<Sent>(`/v1/sql?${wordsOf(asked, more)}`, { method: 'POST', body: asked.sql, signal }));
}

export function read({ meta, data, rows, statistics }: Sent): Answer {
	return {
		columns: meta,
		rows: data,
		cut: rows >= MOST_ROWS,
		readRows: statistics?.rows_read ?? 0,
		readBytes: statistics?.bytes_read ?? 0,
		seconds: statistics?.elapsed ?? 0
	};
}

/** The answer as a file of a format. */
export async function file(asked: Asked, format: string): Promise<Blob> {
	return (await taken(`/v1/sql?${wordsOf(asked, { format })}`, { method: 'POST', body: asked.sql })).blob();
}

/** How far a statement is; refused where it does not run (any more). */
export async function progress(id: string): Promise<Progress> {
	return ask<Progress>(`/v1/sql/${id}`);
}

export async function cancel(id: string): Promise<void> {
	await taken(`/v1/sql/${id}`, { method: 'DELETE' });
}

export async function schema(): Promise<Schema> {
	return ask<Schema>('/v1/sql/schema');
}

export async function functions(): Promise<SqlFunction[]> {
	return (await ask<{ functions: SqlFunction[] }>('/v1/sql/functions')).functions;
}

export async function saved(): Promise<SavedQuery[]> {
	return (await ask<{ queries: SavedQuery[] }>('/v1/sql/saved')).queries;
}

export async function save(name: string, query: Pick<SavedQuery, 'sql' | 'database' | 'settings'>): Promise<void> {
	const headers = { 'Content-Type': 'application/json' };
	await taken(`/v1/sql/saved/${encodeURIComponent(name)}`, { method: 'PUT', headers, body: JSON.stringify(query) });
}

export async function forget(name: string): Promise<void> {
	await taken(`/v1/sql/saved/${encodeURIComponent(name)}`, { method: 'DELETE' });
}
