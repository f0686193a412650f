/** Regions in one order everywhere, so that a colour always means the same place. */

const KNOWN = ['north', 'east', 'south', 'west'];

export function regionName(region: string): string {
	return region === '' ? 'no region' : region;
}

/** The four of the city first, others after them by name. */
export function sortRegions(regions: Iterable<string>): string[] {
	const place = (region: string) => (KNOWN.includes(region) ? KNOWN.indexOf(region) : KNOWN.length);
	return [...new Set(regions)].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}
