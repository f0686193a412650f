/** ClickHouse's types, as far as showing a value needs them. */

/** A type and those in its brackets: `Map(String, Array(UInt8))`. */
export interface Kind {
	name: string;
	inner: Kind[];
	/** Of a tuple's element. */
	label?: string;
}

const TRANSPARENT = new Set(['Nullable', 'LowCardinality']);
const known = new Map<string, Kind>();

/** Reads a type; what only says how it is stored or that it may be NULL is taken off. */
export function kindOf(type: string): Kind {
	let kind = known.get(type);
	if (!kind) {
		kind = parse(type.trim());
		known.set(type, kind);
	}
	return kind;
}

function parse(text: string): Kind {
	const open = text.indexOf('(');
	if (open < 0) return { name: text, inner: [] };
	const name = text.slice(0, open).trim();
	const parts = split(text.slice(open + 1, text.lastIndexOf(')')));
	if (TRANSPARENT.has(name)) return parse(parts[0] ?? '');
	if (name === 'SimpleAggregateFunction') return parse(parts[1] ?? '');
	if (name === 'Tuple' || name === 'Nested') return { name, inner: parts.map(labelled) };
	if (name === 'Array' || name === 'Map') return { name, inner: parts.map(parse) };
	return { name, inner: [] };
}

function labelled(text: string): Kind {
	const match = /^(?:`([^`]+)`|(\w+))\s+(?=[A-Z])(.*)$/s.exec(text);
	return match ? { ...parse(match[3] ?? ''), label: match[1] ?? match[2] } : parse(text);
}

/** Splits at the commas that are in no brackets and no quotes. */
function split(text: string): string[] {
	const parts: string[] = [];
	let depth = 0;
	let from = 0;
	let quoted = false;
	for (let at = 0; at < text.length; at += 1) {
		const letter = text[at];
		if (letter === "'" && text[at - 1] !== '\\') quoted = !quoted;
		if (quoted) continue;
		if (letter === '(') depth += 1;
		if (letter === ')') depth -= 1;
		if (letter !== ',' || depth > 0) continue;
		parts.push(text.slice(from, at).trim());
		from = at + 1;
	}
	return [...parts, text.slice(from).trim()];
}

/** A type in few letters, for where it stands beside a name: `UInt64, a sum`, `Decimal(9, 2)?`. */
export function shortType(type: string): string {
	const [, name = '', inside = ''] = /^(\w+)\((.*)\)$/s.exec(type.trim()) ?? [];
	const parts = split(inside);
	if (name === 'LowCardinality') return shortType(inside);
	if (name === 'Nullable') return `${shortType(inside)}?`;
	if (name === 'SimpleAggregateFunction') return `${shortType(parts[1] ?? '')}, a ${parts[0] ?? ''}`;
	if (name === 'AggregateFunction') return `state of ${(parts[0] ?? '').replace(/\(.*/s, '')}`;
	return type;
}

export function isNumber({ name }: Kind): boolean {
	return /^(?:U?Int\d+|Float\d+|BFloat16|Decimal\d*)$/.test(name);
}

export function isTime({ name }: Kind): boolean {
	return /^(?:Date|Date32|DateTime|DateTime64)$/.test(name);
}

/** A state of an aggregate function: bytes for nobody to read. */
export function isState({ name }: Kind): boolean {
	return name === 'AggregateFunction';
}
