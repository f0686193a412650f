/** From the text of one server-sent event to a typed one; what does not fit is refused, not guessed. */
import type { DeadLetters, EventKind, FlowFigures, LiveEvent, Needed, Problem, Status, TileAnswer, TileChange } from './types.ts';

type Fields = Record<string, unknown>;

function isObject(value: unknown): value is Fields {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTile(value: Fields): boolean {
	return (
		typeof value.tile === 'string' &&
		typeof value.at === 'number' &&
		isObject(value.columns) &&
		Object.values(value.columns).every(Array.isArray)
	);
}

const FITS: Record<Exclude<EventKind, 'bye'>, (value: Fields) => boolean> = {
	tile: isTile,
	change: (value) => isTile(value) && [value.since, value.first, value.end].every((field) => typeof field === 'number'),
	status: (value) => isObject(value.engine) && isObject(value.balance) && Array.isArray(value.sources),
	dead_letters: (value) => typeof value.total === 'number' && Array.isArray(value.items),
	needs: (value) => Array.isArray(value.alerts) && Array.isArray(value.checks),
	flow: (value) => typeof value.at === 'number' && Array.isArray(value.nodes),
	problem: (value) => typeof value.tile === 'string' && typeof value.title === 'string'
};

/** The event, or null when the text is not the document its kind promises. */
export function decode(kind: EventKind, text: string): LiveEvent | null {
	if (kind === 'bye') return { kind };
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return null;
	}
	if (!isObject(value) || !FITS[kind](value)) return null;
	switch (kind) {
		case 'tile':
			return { kind, data: value as unknown as TileAnswer };
		case 'change':
			return { kind, data: value as unknown as TileChange };
		case 'status':
			return { kind, data: value as unknown as Status };
		case 'dead_letters':
			return { kind, data: value as unknown as DeadLetters };
		case 'needs':
			return { kind, data: value as unknown as Needed };
		case 'flow':
			return { kind, data: value as unknown as FlowFigures };
		case 'problem':
			return { kind, data: value as unknown as Problem };
	}
}
