/** What may come next in a statement, without an editor: a text and a place in, words out. */
import { bare } from './scan.ts';
import { quotedName } from './examples.ts';
import { shortType } from './kinds.ts';
import type { Relation, SqlFunction } from './types.ts';

export interface Word {
	label: string;
	/** What is put in; the label where it is left out. */
	apply?: string;
	kind: 'keyword' | 'database' | 'table' | 'column' | 'function';
	/** Beside it: a column's type, a table's stage. */
	detail?: string;
	/** Below it: what its author says. */
	about?: string;
	boost: number;
}

export interface Catalogue {
	relations: readonly Relation[];
	functions: readonly SqlFunction[];
	/** Whose tables need no database before their names. */
	database: string;
}

export const KEYWORDS: readonly string[] = [
	'SELECT', 'DISTINCT', 'FROM', 'PREWHERE', 'WHERE', 'GROUP BY', 'ORDER BY', 'LIMIT', 'OFFSET', 'HAVING', 'QUALIFY', 'WITH', 'AS',
	'AND', 'OR', 'NOT', 'IN', 'BETWEEN', 'LIKE', 'ILIKE', 'IS', 'NULL', 'CASE', 'WHEN', 'THEN', 'ELSE', 'END', 'INNER', 'LEFT', 'RIGHT',
	'FULL', 'CROSS', 'ANY', 'ALL', 'ASOF', 'SEMI', 'ANTI', 'JOIN', 'ARRAY JOIN', 'ON', 'USING', 'UNION ALL', 'UNION DISTINCT', 'INTERSECT',
	'EXCEPT', 'ASC', 'DESC', 'NULLS FIRST', 'NULLS LAST', 'WITH FILL', 'STEP', 'INTERVAL', 'FINAL', 'SAMPLE', 'OVER', 'PARTITION BY',
	'ROWS', 'RANGE', 'WINDOW', 'LIMIT 1 BY', 'WITH TOTALS', 'WITH ROLLUP', 'GLOBAL', 'TRUE', 'FALSE', 'INTERPOLATE'
];

const TABLE = /\b(?:FROM|JOIN)\s+(?:`?(\w+)`?\s*\.\s*)?`?(\w+)`?(?:\s+(?:FINAL\s+)?(?:AS\s+)?(?!(?:WHERE|PREWHERE|GROUP|ORDER|LIMIT|HAVING|ON|USING|JOIN|LEFT|RIGHT|FULL|INNER|CROSS|ANY|ALL|ASOF|SEMI|ANTI|ARRAY|GLOBAL|FINAL|UNION|SAMPLE|QUALIFY|WINDOW|AS|SETTINGS|FORMAT)\b)`?([A-Za-z_]\w*)`?)?/gi;
const QUALIFIED = /`?([A-Za-z_]\w*)`?\.`?(\w*)$/;
const NAME = /(\w*)$/;
const AFTER_FROM = /\b(?:FROM|JOIN)\s+\w*$/i;

/** The relations that a statement reads, each with the names it goes by there. */
function readBy(sql: string, { relations, database }: Catalogue): { relation: Relation; names: string[] }[] {
	return [...bare(sql).matchAll(TABLE)].flatMap(([, home, name, alias]) => {
		const found = relations.filter((one) => one.name === name && (home ? one.database === home : true));
		const relation = found.find((one) => one.database === (home ?? database)) ?? found[0];
		return relation ? [{ relation, names: [relation.name, ...(alias ? [alias] : [])] }] : [];
	});
}

function columnWords(relation: Relation, boost: number): Word[] {
	return relation.columns.map(({ name, type, comment, sorted }) => ({
		label: name, apply: quotedName(name), kind: 'column', detail: shortType(type),
		about: [comment, sorted ? 'the table is ordered by it' : ''].filter(Boolean).join(' · ') || undefined,
		boost: name.startsWith('_') ? boost - 1 : boost
	}));
}

function tableWord(relation: Relation, qualified: boolean, boost: number): Word {
	const name = quotedName(relation.name);
	return {
		label: qualified ? `${relation.database}.${relation.name}` : relation.name,
		apply: qualified ? `${quotedName(relation.database)}.${name}` : name,
		kind: 'table', detail: relation.stage, about: relation.description || undefined, boost
	};
}

/** Words for the place at the end of `before`, and where the word that they replace begins. */
export function wordsAt(before: string, sql: string, catalogue: Catalogue): { from: number; words: Word[] } | null {
	// Inside a text or a comment there is nothing to complete.
	const shown = bare(before);
	if (shown.length && shown.at(-1) !== before.at(-1)) return null;
	const qualified = QUALIFIED.exec(before);
	if (qualified) return { from: before.length - (qualified[2]?.length ?? 0), words: within(qualified[1] ?? '', sql, catalogue) };
	const from = before.length - (NAME.exec(before)?.[1]?.length ?? 0);
	const tables = catalogue.relations.map((one) => tableWord(one, one.database !== catalogue.database, one.stage === 'gold' ? 4 : 3));
	const databases = [...new Set(catalogue.relations.map((one) => one.database))];
	const homes: Word[] = databases.map((label) => ({ label, kind: 'database', detail: 'database', boost: 1 }));
	if (AFTER_FROM.test(before)) return { from, words: [...tables, ...homes] };
	const columns = readBy(sql, catalogue).flatMap(({ relation }) => columnWords(relation, 6));
	const unique = [...new Map(columns.map((word) => [word.label, word])).values()];
	const functions: Word[] = catalogue.functions.map(({ name, form, aggregates }) => ({
		label: name, apply: `${name}(`, kind: 'function', detail: aggregates ? 'aggregate' : undefined, about: form || undefined, boost: 0
	}));
	const keywords: Word[] = KEYWORDS.map((label) => ({ label, kind: 'keyword', boost: 2 }));
	return { from, words: [...unique, ...tables, ...homes, ...keywords, ...functions] };
}

/** What follows a name and a dot: columns of a table or an alias, tables of a database. */
function within(name: string, sql: string, catalogue: Catalogue): Word[] {
	const read = readBy(sql, catalogue).find(({ names }) => names.includes(name));
	if (read) return columnWords(read.relation, 6);
	const relation = catalogue.relations.find((one) => one.name === name);
	const inside = catalogue.relations.filter((one) => one.database === name).map((one) => tableWord(one, false, 5));
	return inside.length ? inside : relation ? columnWords(relation, 6) : [];
}
