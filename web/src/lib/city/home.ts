/** One home: its charts and the sentences about them. */
import type { ChartSpec } from '../chart/spec.ts';
import { count, decimal } from '../format/number.ts';
import { day, dayAndHour, minuteOfDay, secondOfDay } from '../format/time.ts';
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

interface Measure {
	column: string;
	title: string;
	unit: string;
	digits: number;
}

const MEASURES: readonly Measure[] = [
	{ column: 'power', title: 'Power', unit: 'W', digits: 0 },
	{ column: 'temperature', title: 'Temperature', unit: '°C', digits: 2 },
	{ column: 'voltage', title: 'Voltage', unit: 'V', digits: 1 },
	{ column: 'vibration', title: 'Vibration', unit: 'mm/s', digits: 3 }
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
	return MEASURES.map(({ column, title, unit, digits }) => {
		const values = numbers(columns, column);
		const spec: ChartSpec = {
			x, series: [{ name: title.toLowerCase(), values }], span: [start, now], kind: 'line', unit, digits,
			formatX: secondOfDay, formatTick: now - start < FEW_MINUTES ? secondOfDay : minuteOfDay
		};
		return { title, sentence: `last ${minutes === 60 ? 'hour' : `${minutes} minutes`} · ${extent(values, unit, digits)}`, spec };
	});
}

/** Energy and temperature by hour, from `hourly_stats`, over the last `hours` up to `now` (epoch ms). */
export function historyCharts(columns: Columns, now: number, hours: number): Titled[] {
	const x = numbers(columns, 'hour_ms').map((ms) => ms ?? 0);
	const span: [number, number] = [Math.max(now - hours * 3_600_000, Math.min(x[0] ?? now, now - 6 * 3_600_000)), now];
	const kwh = numbers(columns, 'energy_sum').map((wh) => (wh === null ? null : wh / 1000));
	const total = kwh.reduce<number>((sum, value) => sum + (value ?? 0), 0);
	const short = span[1] - span[0] < 36 * 3_600_000;
	const shared = { x, span, formatX: dayAndHour, formatTick: short ? minuteOfDay : day };
	const [mean, p95] = [numbers(columns, 'temperature_avg'), numbers(columns, 'temperature_p95')];
	return [
		{
			title: 'Energy by hour',
			sentence: `last 7 days · ${decimal(total, 1, 'kWh')} in ${count(x.length, 'hour')} with readings`,
			spec: { ...shared, series: [{ name: 'energy', values: kwh }], kind: 'bars', unit: 'kWh', digits: 2, fromZero: true }
		},
		{
			title: 'Temperature by hour',
			sentence: `last 7 days · hourly means ${extent(mean, '°C', 1)}`,
			spec: { ...shared, series: [{ name: 'mean', values: mean }, { name: 'p95', values: p95 }], kind: 'line', unit: '°C', digits: 1 }
		}
	];
}
