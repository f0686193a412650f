/** The tiles this page asks for; the names are answered letter by letter. */

export const HEARTBEAT = 'homes/city_heartbeat';
export const ENERGY = 'homes/energy_by_region?minutes=15';
export const HOMES = 'homes/homes_now';
/** What sets a home apart now: the hour that runs and the one before it. */
export const ODD = 'homes/anomalies_by_peers?hours=2#15s';

export const ENERGY_MINUTES = 15;
export const SERIES_MINUTES = 60;

export function seriesTile(home: number): string {
	return `homes/home_series?home_id=${home}&minutes=${SERIES_MINUTES}`;
}

/** Hours change slowly; their tile is asked seldom. */
export function expectedTile(home: number, hours: number): string {
	return `homes/home_expected?home_id=${home}&hours=${hours}#15s`;
}

/** All tiles of the page, with those of one home when it is open. */
export function tilesFor(home: number | null, hours: number): string[] {
	const city = [HEARTBEAT, ENERGY, HOMES, ODD];
	return home === null ? city : [...city, seriesTile(home), expectedTile(home, hours)];
}
