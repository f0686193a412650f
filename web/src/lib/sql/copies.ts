/** A statement as something else can run it: a shell, a client of ClickHouse, Python. */
import type { Asked } from './types.ts';

/** As it is sent: without the semicolon at its end. */
function plain(sql: string): string {
	return sql.trim().replace(/[;\s]+$/, '');
}

/** For a POSIX shell: nothing in single quotes means anything to it. */
export function quoted(text: string): string {
	return `'${text.replaceAll("'", `'\\''`)}'`;
}

export function asSql({ sql, database }: Asked): string {
	return database ? `-- in the database ${database}\n${plain(sql)};\n` : `${plain(sql)};\n`;
}

/** Asks the engine itself, which has no limit of rows for programs of this machine. */
export function asCurl({ sql, database, params }: Asked, engine: string): string {
	const words = new URLSearchParams({ default_format: 'CSVWithNames' });
	if (database) words.set('database', database);
	for (const [name, value] of Object.entries(params)) words.set(`param_${name}`, escaped(value));
	return `curl -sS ${quoted(`${engine}/?${words}`)} --data-raw ${quoted(plain(sql))}\n`;
}

/** ClickHouse reads a parameter as a field of TabSeparated; a list has no escapes around it. */
function escaped(value: string): string {
	if (/^\s*[[({]/.test(value)) return value;
	return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t').replaceAll('\r', '\\r');
}

/** JSON's texts are Python's as well. */
export function asPython({ sql, database, params }: Asked, engine: string): string {
	const { hostname, port, protocol } = new URL(engine);
	const words = [`host=${JSON.stringify(hostname)}`, `port=${port || (protocol === 'https:' ? 443 : 80)}`];
	if (protocol === 'https:') words.push('secure=True');
	if (database) words.push(`database=${JSON.stringify(database)}`);
	const lines = plain(sql).split('\n');
	const texts = lines.map((line, at) => `    ${JSON.stringify(at < lines.length - 1 ? `${line}\n` : line)}`);
	const bound = Object.keys(params).length ? `, parameters=${JSON.stringify(params)}` : '';
	return [
		'import clickhouse_connect  # pip install clickhouse-connect',
		'',
		`client = clickhouse_connect.get_client(${words.join(', ')})`,
		'sql = (',
		...texts,
		')',
		`answer = client.query(sql${bound})`,
		'print(answer.column_names)',
		'for row in answer.result_rows:',
		'    print(row)',
		''
	].join('\n');
}
