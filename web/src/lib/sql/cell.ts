/** A value as the table shows it: nothing is rounded, and NULL is not an empty text. */
import { isNumber, isState, kindOf, type Kind } from './kinds.ts';

export interface Cell {
	text: string;
	/** `void` is said by us and is no value: NULL, an empty text, a state. */
	look: 'text' | 'number' | 'void';
}

export function cellOf(value: unknown, type: string): Cell {
	if (value === null || value === undefined) return { text: 'NULL', look: 'void' };
	const kind = kindOf(type);
	if (isState(kind)) return { text: 'a state: merge it', look: 'void' };
	if (value === '') return { text: 'empty', look: 'void' };
	return { text: written(value, kind, false), look: isNumber(kind) ? 'number' : 'text' };
}

/** In ClickHouse's own notation; a text inside of something else stands in quotes. */
function written(value: unknown, kind: Kind, inside: boolean): string {
	if (value === null || value === undefined) return 'NULL';
	const [first, second] = kind.inner;
	if (Array.isArray(value)) {
		if (kind.name === 'Tuple') return `(${value.map((one, at) => written(one, kind.inner[at] ?? UNKNOWN, true)).join(', ')})`;
		return `[${value.map((one) => written(one, first ?? UNKNOWN, true)).join(', ')}]`;
	}
	if (typeof value === 'object') {
		const entries = Object.entries(value);
		if (kind.name === 'Tuple') {
			const named = new Map(kind.inner.map((one) => [one.label, one]));
			return `(${entries.map(([name, one]) => `${name}: ${written(one, named.get(name) ?? UNKNOWN, true)}`).join(', ')})`;
		}
		if (kind.name === 'Map') return `{${entries.map(([key, one]) => `${written(key, first ?? UNKNOWN, true)}: ${written(one, second ?? UNKNOWN, true)}`).join(', ')}}`;
		return JSON.stringify(value);
	}
	const text = String(value);
	if (!inside || isNumber(kind) || kind.name === 'Bool' || kind === UNKNOWN) return text;
	return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

const UNKNOWN: Kind = { name: '', inner: [] };
