/** Dead letters in words: which are meant, where in a record the fault is, what would become of them. */
import type { components } from '../live/api.ts';
import type { DeadLetter, Status } from '../live/types.ts';

type Schemas = components['schemas'];
export type Group = Schemas['DeadLetterGroups']['groups'][number];
export type Outlook = Schemas['Outlook'];
export type Replaying = Schemas['Replaying'];
export type Whole = Schemas['DeadLetter'];

/** Letters of a record that are shown before the fault, in a line. */
const BEFORE = 16;

/** Which dead letters are meant; empty is all. `at` is the one that is open, as «source/part/pos». */
export interface Filter {
	source: string;
	reason: string;
	at: string;
}

export function filterOf(search: Pick<URLSearchParams, 'get'>): Filter {
	const said = (name: string) => search.get(name) ?? '';
	return { source: said('source'), reason: said('reason'), at: said('at') };
}

/** The address of the page with a filter. */
export function hrefOf(filter: Partial<Filter>): string {
	const said = Object.entries(filter).filter(([, value]) => value !== '');
	const search = new URLSearchParams(said).toString();
	return `/dead-letters${search ? `?${search}` : ''}`;
}

export const sourceOf = ({ domain, source }: { domain: string; source: string }): string => `${domain}/${source}`;

/** The newest of those that are meant, as the platform is asked for them. */
export function listUrl({ source, reason }: Filter, limit: number): string {
	const [domain = '', name = ''] = source.split('/');
	return `/v1/dead-letters?${new URLSearchParams({ domain, source: name, reason, limit: String(limit) }).toString()}`;
}

export function placeOf(letter: Pick<DeadLetter, 'domain' | 'source' | 'part' | 'pos'>): string {
	return `${sourceOf(letter)}/${letter.part}/${letter.pos}`;
}

export function chosen(groups: readonly Group[], { source, reason }: Filter): readonly Group[] {
	return groups.filter((group) => (!source || sourceOf(group) === source) && (!reason || group.reason.startsWith(reason)));
}

export interface Fate {
	good: number;
	stay: number;
}

/** What would become of those of a source and a reason by the SQL of now. */
export function fateOf(outlook: Outlook, { source, reason }: Pick<Filter, 'source' | 'reason'>): Fate {
	const fates = outlook.sources
		.filter((one) => !source || one.source === source)
		.flatMap((one) => one.fates)
		.filter((fate) => fate.reason.startsWith(reason));
	const sum = (some: typeof fates) => some.reduce((all, fate) => all + fate.rows, 0);
	return { good: sum(fates.filter((fate) => !fate.now)), stay: sum(fates.filter((fate) => fate.now)) };
}

/** What is said of a file that is saved and not yet applied, or has a mistake; undefined where neither. */
export function waiting(status: Status | null, file: string): Status['problems'][number] | undefined {
	return status?.problems.find((problem) => problem.file === file);
}

/** A command about dead letters, for a terminal. */
export function replayCommand({ source, reason }: Pick<Filter, 'source' | 'reason'>, link: string): string {
	const where = / --data .*$/.exec(link)?.[0] ?? '';
	return `penstock dead-letters replay${source ? ` ${quoted(source)}` : ''}${reason ? ` --reason ${quoted(reason)}` : ''}${where}`;
}

function quoted(text: string): string {
	return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

/** A record in three pieces: before the fault, the field with its value, after it. */
export function marked(raw: string, field: string): readonly [string, string, string] {
	if (!field) return [raw, '', ''];
	const name = new RegExp(`"${field.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}"\\s*:\\s*`).exec(raw);
	if (!name) return [raw, '', ''];
	const end = endOf(raw, name.index + name[0].length);
	return [raw.slice(0, name.index), raw.slice(name.index, end), raw.slice(end)];
}

/** The pieces for one line, which has room for the fault if what is before it is short. */
export function shortened([before, fault, after]: readonly [string, string, string]): readonly [string, string, string] {
	return [fault && before.length > BEFORE ? `…${before.slice(1 - BEFORE)}` : before, fault, after];
}

/** Where the JSON value that begins at a place ends; the text may be cut or broken. */
function endOf(raw: string, start: number): number {
	let depth = 0;
	for (let at = start; at < raw.length; at += 1) {
		const letter = raw[at] ?? '';
		if (letter === '"') {
			at = closing(raw, at);
			if (depth === 0) return Math.min(at + 1, raw.length);
		} else if ('{['.includes(letter)) depth += 1;
		else if ('}]'.includes(letter)) {
			if (depth === 0) return at;
			depth -= 1;
			if (depth === 0) return at + 1;
		} else if (depth === 0 && letter === ',') return at;
	}
	return raw.length;
}

/** The place of the quote that ends the text begun at one. */
function closing(raw: string, start: number): number {
	for (let at = start + 1; at < raw.length; at += 1) {
		if (raw[at] === '\\') at += 1;
		else if (raw[at] === '"') return at;
	}
	return raw.length;
}
