/** A tile after a change: rows that it had, and those that came after them. */
import type { TileAnswer, TileChange } from './types.ts';

/** Null where the change is of another tile than this one: the whole has to be asked for again. */
export function changed(tile: TileAnswer | undefined, { since, first, end, columns, ...rest }: TileChange): TileAnswer | null {
	if (tile?.at !== since) return null;
	const joined = Object.entries(columns).map(([name, news]) => [name, (tile.columns[name] ?? []).slice(first, end).concat(news)]);
	return { ...rest, columns: Object.fromEntries(joined) };
}
