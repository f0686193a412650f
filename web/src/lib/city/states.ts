/** How each home is: what its alerts say first, then its silence, then what sets it apart from its neighbours. */
import { decimal } from '../format/number.ts';
import { ago } from '../format/time.ts';
import { numbers, texts } from '../live/columns.ts';
import type { Columns, Needed } from '../live/types.ts';
import { isSilent, type Home } from './homes.ts';

/** The worse first: a home is in the first that holds. */
export const STATES = ['firing', 'silent', 'odd', 'ok'] as const;
export type State = (typeof STATES)[number];

export const STATE_NAMES: Readonly<Record<State, string>> = { firing: 'alert firing', silent: 'silent over 5 min', odd: 'odd', ok: 'ok' };

export type Firing = Needed['alerts'][number];

/** The hour in which a home is furthest from what its region's homes let expect. */
export interface Odd {
	channel: string;
	value: number | null;
	expected: number | null;
	sigma: number;
	since: number | null;
}

/** What is known of homes beside their readings. */
export interface Known {
	firing: ReadonlyMap<number, Firing>;
	odd: ReadonlyMap<number, Odd>;
}

const UNITS: Readonly<Record<string, readonly [string, number]>> = { temperature: ['°C', 1], voltage: ['V', 1], vibration: ['mm/s', 2] };

/** The newest alert that fires for each home of this project. */
export function firingOf(needed: Needed | null): Map<number, Firing> {
	const homes = new Map<number, Firing>();
	for (const one of needed?.alerts ?? []) {
		const home = one.about.home_id;
		if (one.domain === 'homes' && typeof home === 'number' && !homes.has(home)) homes.set(home, one);
	}
	return homes;
}

/** The homes that `anomalies_by_peers` names, each with its worst hour. */
export function oddOf(columns: Columns | undefined): Map<number, Odd> {
	const read = (name: string) => numbers(columns, name);
	const [sigma, value, expected, since, channel] = [read('sigma'), read('value'), read('expected'), read('since_ms'), texts(columns, 'channel')];
	const homes = new Map<number, Odd>();
	for (const [row, home] of read('home_id').entries()) {
		const here = sigma[row] ?? 0;
		if (home === null || Math.abs(homes.get(home)?.sigma ?? 0) >= Math.abs(here)) continue;
		homes.set(home, { channel: channel[row] ?? '', value: value[row] ?? null, expected: expected[row] ?? null, sigma: here, since: since[row] ?? null });
	}
	return homes;
}

export function stateOf(home: Home, { firing, odd }: Known, now: number): State {
	if (firing.has(home.id)) return 'firing';
	if (isSilent(home, now)) return 'silent';
	return odd.has(home.id) ? 'odd' : 'ok';
}

/** How many homes are in each state. */
export function countsOf(homes: readonly Home[], known: Known, now: number): Record<State, number> {
	const counts: Record<State, number> = { firing: 0, silent: 0, odd: 0, ok: 0 };
	for (const home of homes) counts[stateOf(home, known, now)] += 1;
	return counts;
}

/** «temperature 23.8 °C, 16.0 expected beside its neighbours». */
export function oddSentence({ channel, value, expected }: Odd): string {
	const [unit, digits] = UNITS[channel] ?? ['', 2];
	return `${channel} ${decimal(value, digits, unit)}, ${decimal(expected, digits)} expected beside its neighbours`;
}

/** What is said of a home's state, beyond its name; '' where it is as it should be. */
export function stateSentence(home: Home, known: Known, now: number): string {
	const [firing, odd] = [known.firing.get(home.id), known.odd.get(home.id)];
	const said = [
		firing ? `alert ${firing.alert} fires` : '',
		isSilent(home, now) ? `silent, last heard ${ago(now - home.ts)}` : '',
		odd ? `odd: ${oddSentence(odd)}` : ''
	];
	return said.filter(Boolean).join(' · ');
}

/** A state's name as the address has it; null for none. */
export function parseState(text: string | null): State | null {
	return STATES.find((state) => state === text) ?? null;
}
