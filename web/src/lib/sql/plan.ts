/** EXPLAIN's documents, made readable. */
import type { Answer } from './types.ts';

export interface Index {
	kind: string;
	keys: string;
	condition: string;
	parts: readonly [number, number];
	granules: readonly [number, number];
}

export interface Step {
	name: string;
	about: string;
	indexes: Index[];
	steps: Step[];
}

interface Node {
	'Node Type'?: string;
	Description?: string;
	Plans?: Node[];
	Indexes?: Record<string, unknown>[];
}

/** The plan of `explain=plan`: an answer whose rows are the lines of one JSON document. */
export function planOf(answer: Answer): Step[] {
	const text = answer.rows.map((row) => String(row[0])).join('\n');
	const found = JSON.parse(text) as { Plan?: Node }[];
	return found.flatMap(({ Plan }) => (Plan ? [stepOf(Plan)] : []));
}

function stepOf(node: Node): Step {
	return {
		name: words(node['Node Type'] ?? ''),
		about: telling(node.Description ?? ''),
		indexes: (node.Indexes ?? []).map(indexOf),
		steps: (node.Plans ?? []).map(stepOf)
	};
}

/** A description without what every plan says of its own columns' names. */
function telling(description: string): string {
	const parts = description.split(' + ').map((part) => part.replace(/^\(+|\)+$/g, ''));
	const said = parts.filter((part) => part && !NOISE.has(part));
	return said.length < parts.length ? said.join(' + ') : description;
}

const NOISE = new Set(['Project names', 'Projection', 'Change column names to column identifiers']);

function indexOf(found: Record<string, unknown>): Index {
	const number = (name: string) => Number(found[name] ?? 0);
	const keys = Array.isArray(found.Keys) ? found.Keys.join(', ') : '';
	return {
		kind: words(String(found.Type ?? '')) + (found.Name ? ` ${String(found.Name)}` : ''),
		keys,
		condition: String(found.Condition ?? ''),
		parts: [number('Selected Parts'), number('Initial Parts')],
		granules: [number('Selected Granules'), number('Initial Granules')]
	};
}

/** «ReadFromMergeTree» as «Read from MergeTree». */
function words(name: string): string {
	const spaced = name.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').replace('Merge Tree', 'MergeTree');
	return spaced.replace(/ (?!MergeTree)(\w)/g, (_, letter: string) => ` ${letter.toLowerCase()}`);
}

export interface Estimate {
	table: string;
	parts: number;
	rows: number;
	marks: number;
}

/** What `explain=estimate` says of each table that is read. */
export function estimatesOf(answer: Answer): Estimate[] {
	return answer.rows.map(([database, table, parts, rows, marks]) => ({
		table: `${String(database)}.${String(table)}`,
		parts: Number(parts),
		rows: Number(rows),
		marks: Number(marks)
	}));
}
