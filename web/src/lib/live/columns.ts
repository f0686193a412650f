/** Reading cells of a columnar answer. Engines may quote 64-bit integers, so both forms are numbers. */
import type { Columns } from './types.ts';

export function toNumber(cell: unknown): number | null {
	if ((typeof cell !== 'number' && typeof cell !== 'string') || cell === '') return null;
	const value = Number(cell);
	return Number.isFinite(value) ? value : null;
}

/** A whole column as numbers; absent columns are empty. */
export function numbers(columns: Columns | undefined, name: string): (number | null)[] {
	return (columns?.[name] ?? []).map(toNumber);
}

/** A whole column as text; null is ''. */
export function texts(columns: Columns | undefined, name: string): string[] {
	return (columns?.[name] ?? []).map((cell) => String(cell ?? ''));
}

/** The value in the first row, for answers of one row. */
export function first(columns: Columns | undefined, name: string): number | null {
	return toNumber(columns?.[name]?.[0]);
}
