/** A table's cells as text: times as times, identifiers as they are, numbers with their digits. */
import { decimal } from '../format/number.ts';
import { dayAndHour, secondOfDay } from '../format/time.ts';
import { toNumber } from '../live/columns.ts';
import type { Columns } from '../live/types.ts';
import { spoken, timeOf } from './shape.ts';
import type { Panel } from './types.ts';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
const DAY = 86_400_000;
const MOST_DIGITS = 3;

export interface Column {
	name: string;
	/** Stands at the right. */
	numeric: boolean;
	cells: readonly string[];
}

export function tableOf(panel: Panel, columns: Columns, now: number): Column[] {
	const names = panel.values.length ? panel.values.filter((name) => columns[name]) : Object.keys(columns);
	return names.map((name) => columnOf(panel, name, columns[name] ?? [], now));
}

/** Digits after the point, as the number is written. */
function digitsOf(value: number | null): number {
	return value === null ? 0 : (String(value).split('.')[1]?.length ?? 0);
}

function columnOf(panel: Panel, name: string, cells: readonly unknown[], now: number): Column {
	const first = cells.find((cell) => cell !== null);
	const time = name.endsWith('_ms') || name === panel.time || (typeof first === 'string' && ISO.test(first));
	if (time) {
		const times = cells.map(timeOf);
		const recent = times.every((ms) => ms === null || now - ms < DAY);
		const write = recent && !times.every((ms) => ms === null || ms % 3_600_000 === 0) ? secondOfDay : dayAndHour;
		return { name: spoken(name.replace(/_ms$/, '')), numeric: false, cells: times.map((ms) => (ms === null ? '–' : write(ms))) };
	}
	const id = name === 'id' || name.endsWith('_id');
	if (id || toNumber(first) === null) {
		return { name: spoken(name), numeric: id, cells: cells.map((cell) => (cell === null ? '–' : String(cell))) };
	}
	const numbers = cells.map(toNumber);
	const digits = Math.min(MOST_DIGITS, Math.max(0, ...numbers.map(digitsOf)));
	return { name: spoken(name), numeric: true, cells: numbers.map((value) => decimal(value, digits)) };
}
