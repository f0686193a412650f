/** The tiles this page asks for; the names are answered letter by letter. */

export const HEARTBEAT = 'homes/city_heartbeat';
export const ENERGY = 'homes/energy_by_region?minutes=15';
export const HOMES = 'homes/homes_now';

export const ENERGY_MINUTES = 15;
export const SERIES_MINUTES = 60;
export const HISTORY_HOURS = 168;

export function seriesTile(home: number): string {
	return `homes/home_series?home_id=${home}&minutes=${SERIES_MINUTES}`;
}

export function hoursTile(home: number): string {
	return `homes/hourly_stats?home_id=${home}&hours=${HISTORY_HOURS}`;
}

/** All tiles of the page, with those of one home when it is open. */
export function tilesFor(home: number | null): string[] {
	const city = [HEARTBEAT, ENERGY, HOMES];
	return home === null ? city : [...city, seriesTile(home), hoursTile(home)];
}
