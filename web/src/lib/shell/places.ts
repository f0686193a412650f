/** Where one can go: only what exists. */

export interface Place {
	name: string;
	/** A shorter name for the bottom bar. */
	short: string;
	href: string;
	/** Left out of the bottom bar of a phone, which has room for five. */
	wideOnly?: boolean;
}

const CITY: readonly Place[] = [
	{ name: 'Heartbeat', short: 'City', href: '#heartbeat' },
	{ name: 'Energy', short: 'Energy', href: '#energy' },
	{ name: 'Homes', short: 'Homes', href: '#homes' }
];

const LETTERS: Place = { name: 'Dead letters', short: 'Letters', href: '#dead-letters' };

/** The parts of the page: of any project, and before them those of the city where there is one. */
export function onPage(city: boolean): readonly Place[] {
	const sources: Place = { name: 'Sources', short: 'Sources', href: '#sources', wideOnly: city };
	const endpoints: Place = { name: 'Endpoints', short: 'Endpoints', href: '#endpoints', wideOnly: city };
	return city ? [...CITY, LETTERS, sources, endpoints] : [sources, endpoints, LETTERS];
}

/** Documents of the platform itself: plain links, outside the page's router. */
export function served(city: boolean): readonly Place[] {
	return [
		{ name: 'API', short: 'API', href: 'openapi.json' },
		{ name: 'Status', short: 'Status', href: 'v1/status', wideOnly: city },
		{ name: 'Metrics', short: 'Metrics', href: 'metrics', wideOnly: true }
	];
}
