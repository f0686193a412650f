/** Where one can go: only what exists. */

export interface Place {
	name: string;
	/** A shorter name for the bottom bar. */
	short: string;
	href: string;
	/** Left out of the bottom bar of a phone, which has room for five. */
	wideOnly?: boolean;
}

export const ON_PAGE: readonly Place[] = [
	{ name: 'Heartbeat', short: 'City', href: '#heartbeat' },
	{ name: 'Energy', short: 'Energy', href: '#energy' },
	{ name: 'Homes', short: 'Homes', href: '#homes' },
	{ name: 'Dead letters', short: 'Letters', href: '#dead-letters' }
];

/** Documents of the platform itself: plain links, outside the page's router. */
export const SERVED: readonly Place[] = [
	{ name: 'API', short: 'API', href: 'openapi.json' },
	{ name: 'Status', short: 'Status', href: 'v1/status', wideOnly: true },
	{ name: 'Metrics', short: 'Metrics', href: 'metrics', wideOnly: true }
];
