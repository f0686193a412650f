/** A statement without what is text in it: comments and quoted parts become blanks of their length. */

const HIDDEN = /'(?:[^'\\]|\\.|'')*'?|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g;
const PLACE = /\{\s*(\w+)\s*:\s*([^{}]+?)\s*\}/g;

export function bare(sql: string): string {
	return sql.replace(HIDDEN, (found) => found.replace(/[^\n]/g, ' '));
}

export interface Param {
	name: string;
	type: string;
}

/** The `{name:Type}` of a statement, each once. */
export function paramsOf(sql: string): Param[] {
	const found = new Map<string, string>();
	for (const [, name, type] of bare(sql).matchAll(PLACE)) if (name && type && !found.has(name)) found.set(name, type);
	return [...found].map(([name, type]) => ({ name, type }));
}
