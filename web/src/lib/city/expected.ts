/** One home's hours beside what it does in them otherwise: a chart for each channel, and the odd spells. */
import type { ChartSpec } from '../chart/spec.ts';
import { count, decimal } from '../format/number.ts';
import { day, dayAndHour, minuteOfDay } from '../format/time.ts';
import { numbers, texts } from '../live/columns.ts';
import type { Columns } from '../live/types.ts';
import type { Measure, Titled, Values } from './home.ts';

export const HOUR = 3_600_000;

const CHANNELS: readonly Measure[] = [
	{ name: 'temperature', title: 'Temperature by hour', unit: '°C', digits: 1 },
	{ name: 'energy', title: 'Energy by hour', unit: 'Wh', digits: 0 },
	{ name: 'voltage', title: 'Voltage by hour', unit: 'V', digits: 1 },
	{ name: 'vibration', title: 'Vibration by hour', unit: 'mm/s', digits: 2 }
];

/** One channel of `home_expected`, an item an hour from the first to the last, nulls where nothing came. */
export interface Hours extends Measure {
	x: number[];
	value: Values;
	expected: Values;
	low: Values;
	high: Values;
	sigma: Values;
	beyond: Values;
	/** By what an hour is odd; '' where it is not. */
	odd: string[];
}

/** Neighbouring odd hours of one channel, told by the one that is furthest off. */
export interface Spell {
	channel: Measure;
	/** Epoch ms; `end` is that of the last hour. */
	start: number;
	end: number;
	value: number | null;
	expected: number | null;
	sigma: number | null;
	beyond: number | null;
	odd: string;
}

/** Every channel on one grid of hours, so that an hour without readings is a gap and not a line across it. */
export function hoursOf(columns: Columns): Hours[] {
	const at = numbers(columns, 'hour_ms').map((ms) => ms ?? 0);
	const channel = texts(columns, 'channel');
	const [first, last] = [at[0] ?? 0, at.at(-1) ?? 0];
	const length = at.length ? Math.round((last - first) / HOUR) + 1 : 0;
	const x = Array.from({ length }, (_, hour) => first + hour * HOUR);
	return CHANNELS.map((one) => {
		const rows = at.flatMap((ms, row) => (channel[row] === one.name ? [[Math.round((ms - first) / HOUR), row] as const] : []));
		const read = (name: string): Values => {
			const cells = numbers(columns, name);
			const values: Values = x.map(() => null);
			for (const [hour, row] of rows) values[hour] = cells[row] ?? null;
			return values;
		};
		const words = texts(columns, 'odd');
		const odd = x.map(() => '');
		for (const [hour, row] of rows) odd[hour] = words[row] ?? '';
		return {
			...one, x, odd, value: read('value'), expected: read('expected'), low: read('low'), high: read('high'), sigma: read('sigma'), beyond: read('beyond')
		};
	});
}

/** The odd spells of all channels, newest first. */
export function spellsOf(channels: readonly Hours[]): Spell[] {
	return channels.flatMap(spellsIn).sort((a, b) => b.start - a.start || a.channel.title.localeCompare(b.channel.title));
}

function spellsIn(hours: Hours): Spell[] {
	const spells: Spell[] = [];
	for (const [at, odd] of hours.odd.entries()) {
		if (!odd) continue;
		const start = hours.x[at] ?? 0;
		const [value, expected] = [hours.value[at] ?? null, hours.expected[at] ?? null];
		const here: Spell = { channel: hours, start, end: start + HOUR, value, expected, sigma: hours.sigma[at] ?? null, beyond: hours.beyond[at] ?? null, odd };
		const before = spells.at(-1);
		if (before?.end !== start) spells.push(here);
		else spells[spells.length - 1] = further(here, before) ? { ...here, start: before.start } : { ...before, end: here.end };
	}
	return spells;
}

function further(one: Spell, other: Spell): boolean {
	return Math.abs(one.sigma ?? 0) > Math.abs(other.sigma ?? 0) || (one.sigma === null && (one.beyond ?? 0) > (other.beyond ?? 0));
}

/** «4.2 σ below»; of what is odd by its quartiles alone, how far it is outside their fences. */
export function offBy({ sigma, beyond, odd }: Pick<Spell, 'sigma' | 'beyond' | 'odd'>): string {
	if (sigma !== null && odd.startsWith('norm')) return `${decimal(Math.abs(sigma), 1, 'σ')} ${sigma < 0 ? 'below' : 'above'}`;
	return `${decimal(beyond, 1)} quartile ranges past the fence`;
}

/** «Fri 20, 03:00 to 09:00 (6 h)». */
export function whenOf({ start, end }: Pick<Spell, 'start' | 'end'>): string {
	const hours = Math.round((end - start) / HOUR);
	if (hours === 1) return dayAndHour(start);
	return `${dayAndHour(start)} to ${day(start) === day(end) ? minuteOfDay(end) : dayAndHour(end)} (${hours} h)`;
}

/** The day at midnight, else the time: of any zoom each tick says something new. */
function tick(ms: number): string {
	const time = minuteOfDay(ms);
	return time === '00:00' ? day(ms) : time;
}

/** The chart of each channel that has any value, over the span that is shown (epoch ms). */
export function expectedCharts(channels: readonly Hours[], span: readonly [number, number]): Titled[] {
	return channels
		.filter(({ value }) => value.some((one) => one !== null))
		.map((hours) => {
			const { x, title, unit, digits, value, expected, low, high, odd } = hours;
			const known = low.some((one) => one !== null);
			const spec: ChartSpec = {
				x, span, kind: 'line', unit, digits, formatX: dayAndHour, formatTick: tick,
				series: [{ name: 'measured', values: value }, { name: 'expected', values: expected }],
				...(known ? { band: { name: 'within 3 σ', low, high } } : {}),
				marks: { name: 'odd', at: odd.flatMap((one, at) => (one ? [at] : [])) }
			};
			return { title, sentence: sentenceOf(hours, span), spec };
		});
}

/** What the shown span of a channel says: its newest hour, and its odd ones. */
function sentenceOf(hours: Hours, [from, to]: readonly [number, number]): string {
	const shown = hours.x.flatMap((ms, at) => (ms >= from && ms <= to && hours.value[at] !== null ? [at] : []));
	const last = shown.at(-1);
	if (last === undefined) return 'nothing came in this span';
	const expected = hours.expected[last] ?? null;
	const beside = expected === null ? 'no other week to expect from' : `${decimal(expected, hours.digits, hours.unit)} expected`;
	const odd = shown.filter((at) => hours.odd[at]).length;
	const furthest = spellsIn(hours).filter(({ start, end }) => end > from && start <= to).reduce<Spell | null>((best, one) => (!best || further(one, best) ? one : best), null);
	const found = odd && furthest ? `${count(odd, 'odd hour')}, the furthest ${offBy(furthest)}` : 'no odd hour';
	return `${dayAndHour(hours.x[last] ?? 0)}: ${decimal(hours.value[last], hours.digits, hours.unit)}, ${beside} · ${found}`;
}
