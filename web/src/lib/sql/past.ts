/** The statements run lately, in this browser only. */

export interface Past {
	sql: string;
	database: string;
	at: number;
}

const KEY = 'penstock-sql';
const MOST = 50;

/** With a statement in front; the same one further back is taken out. */
export function withStatement(past: readonly Past[], run: Past): Past[] {
	const others = past.filter(({ sql, database }) => sql !== run.sql || database !== run.database);
	return [run, ...others].slice(0, MOST);
}

export function remembered(): Past[] {
	try {
		const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
		return Array.isArray(found) ? found.filter((one) => typeof one?.sql === 'string') : [];
	} catch {
		return [];
	}
}

export function remember(past: readonly Past[]): void {
	try {
		localStorage.setItem(KEY, JSON.stringify(past));
	} catch {
		// Storage is forbidden or full: the list then ends with this page.
	}
}
