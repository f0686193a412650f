/** The homes of the city as the grid shows them. */
import { numbers } from '../live/columns.ts';
import type { Columns } from '../live/types.ts';
import { count, decimal } from '../format/number.ts';
import { ago } from '../format/time.ts';
import { ELSEWHERE, regionName, sortRegions } from './regions.ts';

/** A home that has sent nothing for this long is called silent. */
export const SILENT_MS = 5 * 60_000;
/** Steps of the colour scale. */
export const LEVELS = 6;
/** A region with fewer homes than this shares a block with others of its size. */
const SMALL_REGION = 8;

export interface Home {
	id: number;
	region: string;
	ts: number;
	temperature: number | null;
	energy: number | null;
	voltage: number | null;
	vibration: number | null;
	readings: number;
}

export interface Block {
	name: string;
	homes: Home[];
}

export function homesOf(columns: Columns | undefined): Home[] {
	const id = numbers(columns, 'home_id');
	const read = (name: string) => numbers(columns, name);
	const [ts, temperature, energy, voltage, vibration, readings] = [
		read('ts_ms'), read('temperature'), read('energy'), read('voltage'), read('vibration'), read('readings')
	];
	return id.flatMap((home, row) =>
		home === null
			? []
			: [{
					id: home,
					region: String(columns?.region?.[row] ?? ''),
					ts: ts[row] ?? 0,
					temperature: temperature[row] ?? null,
					energy: energy[row] ?? null,
					voltage: voltage[row] ?? null,
					vibration: vibration[row] ?? null,
					readings: readings[row] ?? 0
				}]
	);
}

/** Homes by region; regions of fewer homes than `least` share one block. */
export function blocksOf(homes: readonly Home[], least = SMALL_REGION): Block[] {
	const byRegion = new Map<string, Home[]>();
	for (const home of homes) {
		const list = byRegion.get(home.region);
		if (list) list.push(home);
		else byRegion.set(home.region, [home]);
	}
	const names = sortRegions(byRegion.keys());
	const of = (name: string) => byRegion.get(name) ?? [];
	const large = names.filter((name) => of(name).length >= least);
	const small = names.filter((name) => of(name).length < least);
	const blocks = large.map((name) => ({ name: regionName(name), homes: of(name) }));
	if (small.length > 0) blocks.push({ name: ELSEWHERE, homes: small.flatMap(of) });
	return blocks;
}

/**
 * Upper bounds of all levels but the last, in Wh: sixths of the homes, so that every step of the
 * scale is used whatever the season. Empty without figures.
 */
export function energyBounds(homes: readonly Home[]): number[] {
	const known = homes.flatMap((home) => (home.energy === null ? [] : [home.energy])).sort((a, b) => a - b);
	if (known.length === 0) return [];
	return Array.from({ length: LEVELS - 1 }, (_, step) => known[Math.floor(((step + 1) * known.length) / LEVELS)] ?? 0);
}

/** Level 0 … LEVELS − 1, or null when the home sent no energy. */
export function levelOf(energy: number | null, bounds: readonly number[]): number | null {
	if (energy === null) return null;
	let level = 0;
	for (const bound of bounds) if (energy >= bound) level += 1;
	return level;
}

export function isSilent(home: Home, now: number): boolean {
	return now - home.ts > SILENT_MS;
}

/** One home in one sentence, for the line under the grid and for a screen reader. */
export function homeSentence(home: Home, now: number): string {
	const parts = [
		`Home ${home.id}`,
		regionName(home.region),
		decimal(home.energy, 3, 'Wh'),
		decimal(home.temperature, 1, '°C'),
		decimal(home.voltage, 1, 'V'),
		`last reading ${ago(now - home.ts)}`
	];
	return parts.join(' · ');
}

/** The whole grid in one sentence. */
export function gridSentence(homes: readonly Home[], now: number): string {
	const heard = homes.filter((home) => !isSilent(home, now));
	const silent = homes.length - heard.length;
	const top = heard.reduce<Home | null>((best, home) => ((home.energy ?? -1) > (best?.energy ?? -1) ? home : best), null);
	const parts = [`${count(homes.length, 'home')}, each coloured by the energy of its last reading`];
	parts.push(silent === 0 ? 'none silent' : `${decimal(silent)} silent for more than 5 minutes`);
	if (top?.energy) parts.push(`most: home ${top.id} with ${decimal(top.energy, 3, 'Wh')}`);
	return parts.join(' · ');
}
