/** Statements to begin with: each relation, read as its engine keeps it. */
import type { Relation, TableColumn } from './types.ts';

export interface Example {
	title: string;
	about: string;
	sql: string;
	database: string;
}

const SIMPLE = /^SimpleAggregateFunction\(\s*(\w+)/;
const STATE = /^AggregateFunction\(\s*(\w+)(\([^)]*\))?/;
const MOST_ROWS = 100;

/** Gold first: it has the answers. */
export function examplesOf(relations: readonly Relation[]): Example[] {
	const ordered = [...relations.filter((one) => one.stage === 'gold'), ...relations.filter((one) => one.stage !== 'gold')];
	return ordered.filter((one) => one.columns.length > 0).map((relation) => ({
		title: relation.name,
		about: relation.description,
		sql: statementOf(relation),
		database: relation.database
	}));
}

/** A table of sums may have several rows of a key until they are merged: so they are added up here. */
export function statementOf(relation: Relation): string {
	const columns = relation.columns.filter((column) => !column.name.startsWith('_'));
	// What a view gives is whole already, whatever its columns are called.
	const summed = relation.kind === 'table' && columns.some(merged);
	const shown = columns.map((column) => (summed ? expressionOf(column) : quotedName(column.name)));
	const keys = columns.filter((column) => !merged(column)).map((column) => quotedName(column.name));
	const time = columns.find((column) => /^(?:Nullable\()?Date/.test(column.type) && !merged(column));
	return [
		`SELECT\n    ${shown.join(',\n    ')}`,
		`FROM ${quotedName(relation.name)}`,
		summed && keys.length ? `GROUP BY ${keys.join(', ')}` : '',
		time ? `ORDER BY ${quotedName(time.name)} DESC` : '',
		`LIMIT ${MOST_ROWS}`
	].filter(Boolean).join('\n');
}

function merged({ type }: TableColumn): boolean {
	return SIMPLE.test(type) || STATE.test(type);
}

function expressionOf({ name, type }: TableColumn): string {
	const plain = quotedName(name);
	const simple = SIMPLE.exec(type);
	if (simple) return `${simple[1]}(${plain}) AS ${plain}`;
	const state = STATE.exec(type);
	if (!state) return plain;
	return `${state[1]}Merge${state[2] ?? ''}(${plain}) AS ${plain}`;
}

export function quotedName(name: string): string {
	return /^[A-Za-z_]\w*$/.test(name) ? name : `\`${name.replaceAll('`', '\\`')}\``;
}
