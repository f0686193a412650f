/** One home: its charts and the sentences about them. */
import type { ChartSpec } from '../chart/spec.ts';
import { decimal } from '../format/number.ts';
import { minuteOfDay, secondOfDay } from '../format/time.ts';
import { numbers } from '../live/columns.ts';
import type { Columns } from '../live/types.ts';

export type Values = (number | null)[];

export interface Titled {
	title: string;
	sentence: string;
	spec: ChartSpec;
}

/** Ticks of a shorter axis lie closer than a minute. */
const FEW_MINUTES = 6 * 60_000;

/** What a home measures, as it is called in the answers and on the page. */
export interface Measure {
	name: string;
	title: string;
	unit: string;
	digits: number;
}

const MEASURES: readonly Measure[] = [
	{ name: 'power', title: 'Power', unit: 'W', digits: 0 },
	{ name: 'temperature', title: 'Temperature', unit: '°C', digits: 2 },
	{ name: 'voltage', title: 'Voltage', unit: 'V', digits: 1 },
	{ name: 'vibration', title: 'Vibration', unit: 'mm/s', digits: 3 }
];

/** The extent of a series in words: «19.8 to 22.6 °C». */
export function extent(values: Values, unit: string, digits: number): string {
	const known = values.filter((value): value is number => value !== null);
	if (known.length === 0) return 'no value sent';
	const low = known.reduce((a, b) => Math.min(a, b));
	const high = known.reduce((a, b) => Math.max(a, b));
	return `${decimal(low, digits)} to ${decimal(high, digits, unit)}`;
}

/** A chart for each measure of `home_series`, over the last `minutes` up to `now` (epoch ms). */
export function seriesCharts(columns: Columns, now: number, minutes: number): Titled[] {
	const x = numbers(columns, 'ts_ms').map((ms) => ms ?? 0);
	const start = Math.max(now - minutes * 60_000, Math.min(x[0] ?? now, now - 60_000));
	return MEASURES.map(({ name, title, unit, digits }) => {
		const values = numbers(columns, name);
		const spec: ChartSpec = {
			x, series: [{ name: title.toLowerCase(), values }], span: [start, now], kind: 'line', unit, digits,
			formatX: secondOfDay, formatTick: now - start < FEW_MINUTES ? secondOfDay : minuteOfDay
		};
		return { title, sentence: `last ${minutes === 60 ? 'hour' : `${minutes} minutes`} · ${extent(values, unit, digits)}`, spec };
	});
}
