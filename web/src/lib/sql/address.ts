/** The page's state in the fragment of its address, which no server gets to see. */
import { VIEWS, type Asked, type View } from './types.ts';

export interface Place extends Asked {
	view: View;
}

const PARAM = 'p.';

/** Reads `#q=…&db=…&view=…&p.name=…`; a link may have the same as `?q=…`. */
export function placeOf(hash: string, search = ''): Place {
	const words = new URLSearchParams(hash.replace(/^#/, '') || search);
	const view = VIEWS.find((one) => one === words.get('view')) ?? 'table';
	const params = [...words].filter(([name]) => name.startsWith(PARAM)).map(([name, value]) => [name.slice(PARAM.length), value]);
	return { sql: words.get('q') ?? '', database: words.get('db') ?? '', view, params: Object.fromEntries(params) };
}

export function hashOf({ sql, database, view, params }: Place): string {
	if (!sql.trim()) return '';
	const words = new URLSearchParams({ q: sql });
	if (database) words.set('db', database);
	if (view !== 'table') words.set('view', view);
	for (const [name, value] of Object.entries(params)) words.set(PARAM + name, value);
	return `#${words}`;
}
