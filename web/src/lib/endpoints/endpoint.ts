/** One endpoint: what it is asked with, and how the same is asked from elsewhere. */
import { count, decimal, percent } from '../format/number.ts';
import type { components } from '../live/api.ts';

type Schemas = components['schemas'];
export type Endpoints = Schemas['Endpoints'];
export type Endpoint = Endpoints['endpoints'][number];
export type Param = Endpoint['params'][number];
export type Timing = Endpoint['asked'];

/** Values of parameters as they are written; those left empty are not sent. */
export type Values = Readonly<Record<string, string>>;

const VALUE = 'p.';

export const nameOf = ({ domain, name }: Pick<Endpoint, 'domain' | 'name'>): string => `${domain}/${name}`;

/** The address of this page with an endpoint and its values. */
export function pageHref(name: string, values: Values): string {
	const said: [string, string][] = Object.entries(values).filter(([, value]) => value !== '').map(([key, value]) => [VALUE + key, value]);
	return `/endpoints?${new URLSearchParams([['e', name], ...said]).toString()}`;
}

/** The values that an address says. */
export function valuesOf(search: Iterable<[string, string]>): Values {
	return Object.fromEntries([...search].filter(([key]) => key.startsWith(VALUE)).map(([key, value]) => [key.slice(VALUE.length), value]));
}

/** Where an answer in a format is; what has its default anyhow is left out. */
export function address(endpoint: Endpoint, values: Values, format: string): string {
	const said = endpoint.params.map(({ name }): [string, string] => [name, values[name] ?? '']).filter(([, value]) => value !== '');
	const search = new URLSearchParams(said).toString();
	return `/v1/endpoints/${nameOf(endpoint)}.${format}${search ? `?${search}` : ''}`;
}

/** Names of the parameters that must be said and are not. */
export function missing(endpoint: Endpoint, values: Values): string[] {
	return endpoint.params.filter(({ name, required }) => required && !values[name]).map(({ name }) => name);
}

const single = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** The SELECT with its values in the place of its parameters: runs in any ClickHouse client. */
export function asSql(endpoint: Endpoint, values: Values): string {
	const params = new Map(endpoint.params.map((param) => [param.name, param]));
	const sql = endpoint.sql.replaceAll(/\{\s*(\w+)\s*:\s*([^{}]+?)\s*\}/g, (whole, name: string, type: string) => {
		const param = params.get(name);
		if (!param) return whole;
		const value = values[name] || param.default;
		return value === null || value === undefined ? `CAST(NULL, ${single(type)})` : `CAST(${single(value)}, ${single(type)})`;
	});
	return `-- in the database ${endpoint.database}\n${sql}`;
}

export function asCurl(origin: string, path: string): string {
	return `curl '${origin}${path.replaceAll("'", '%27')}'`;
}

export function asPython(origin: string, path: string): string {
	return `import json\nimport urllib.request\n\nwith urllib.request.urlopen(${JSON.stringify(origin + path)}) as answer:\n    rows = json.load(answer)["data"]\n`;
}

/** What an input of a type is. */
export function inputMode({ type }: Param): 'numeric' | 'decimal' | 'text' {
	const bare = type.replace(/^Nullable\(/, '');
	if (/^U?Int/.test(bare)) return 'numeric';
	return /^(Float|Decimal)/.test(bare) ? 'decimal' : 'text';
}

/** «12 requests, 83 % from memory, p50 3 ms, p95 9 ms». */
export function fared(timing: Timing, one: string, many: string): string {
	if (!timing.asked) return `no ${one} since the start`;
	const parts = [count(timing.asked, one, many), `${percent(timing.hit_rate)} from memory`];
	if (timing.p50_ms !== null) parts.push(`p50 ${ms(timing.p50_ms)}, p95 ${ms(timing.p95_ms)}`);
	if (timing.error) parts.push(`${decimal(timing.error)} failed`);
	return parts.join(', ');
}

export function ms(value: number | null): string {
	if (value !== null && value < 0.05) return '< 0.1 ms';
	return decimal(value, value !== null && value < 10 ? 1 : 0, 'ms');
}

/** How long the server took, of a `Server-Timing` header; null without one. */
export function serverMs(header: string | null): number | null {
	const found = /dur=([\d.]+)/.exec(header ?? '');
	return found ? Number(found[1]) : null;
}
