/** Regions in one order everywhere, so that a colour always means the same place. */

const KNOWN = ['north', 'east', 'south', 'west'];
/** As many as there are colours and dashes that are told apart well, and one for all others. */
const OWN_PLACES = 4;

/** What all others are called together: a region no device should have, or a house far away. */
export const ELSEWHERE = 'elsewhere';

export function regionName(region: string): string {
	return region === '' ? 'no region' : region;
}

/** The four of the city first, others after them by name. */
export function sortRegions(regions: Iterable<string>): string[] {
	const place = (region: string) => (KNOWN.includes(region) ? KNOWN.indexOf(region) : KNOWN.length);
	return [...new Set(regions)].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/**
 * The regions that have a place of their own, in order: the four of the city; where some of them are
 * missing, those with the most readings.
 */
export function ownPlaces(readings: ReadonlyMap<string, number>): string[] {
	const known = KNOWN.filter((region) => readings.has(region));
	const others = [...readings].filter(([region]) => !KNOWN.includes(region)).sort((a, b) => b[1] - a[1]);
	return sortRegions([...known, ...others.map(([region]) => region)].slice(0, OWN_PLACES));
}
